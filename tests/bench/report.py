"""How long reading, summarizing and rendering many measurement rows takes, beside reading them with pandas alone.

python tests/bench/report.py [--rows 100000]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

import pandas as pd  # noqa: E402

from columns import CELL, COLUMNS  # noqa: E402
from reporting.labels import read_labels  # noqa: E402
from reporting.read import read_measurements  # noqa: E402
from reporting.summary import summarize  # noqa: E402
from reporting.tables import render_tables  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def make_rows(count):
    """A frame of `count` rows: 10 GPUs, 5 torch builds, batch sizes 1 to 40, 2 variants, rounds to fill it up."""
    index = pd.RangeIndex(count)
    frame = pd.DataFrame("", index=index, columns=COLUMNS).assign(
        gpu="G" + (index % 10).astype(str),
        torch="2." + (index // 10 % 5).astype(str),
        pipeline="p" + (index // 50 % 10).astype(str),
        batch_size=1 + index // 500 % 10,
        size="native",
        variant=["eager" if number // 5000 % 2 else "compile" for number in index],
        round=1 + index // 10000,
        stage=1,
        status="ok",
        definition="0123456789ab",
        iterations_per_second=1 + index % 97,
        latency_s=2.5,
        device_name="a device",
        started_at="2026-11-20T10:00:00Z",
    )
    return frame


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    labels = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measurements.csv"
        make_rows(count).to_csv(path, index=False, lineterminator="\n")
        clock = [time.perf_counter()]
        pd.read_csv(path, dtype=str, keep_default_na=False)
        clock.append(time.perf_counter())
        rows = read_measurements([path])
        clock.append(time.perf_counter())
        summary = summarize(rows, rows[CELL].drop_duplicates(), {"variant": "eager"})
        clock.append(time.perf_counter())
        tables = render_tables(summary, labels)
        clock.append(time.perf_counter())
    bare, read, summed, rendered = (after - before for before, after in zip(clock, clock[1:], strict=False))
    print(f"{count} rows, {len(summary)} cells, {len(tables)} tables, in units of pandas' bare reading ({bare:.2f} s):")
    print(f"checked reading {read / bare:.1f}, summary {summed / bare:.1f}, tables {rendered / bare:.1f}")
    print(f"in all {read + summed + rendered:.1f} s")


if __name__ == "__main__":
    main()
