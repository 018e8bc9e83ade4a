"""How long reporting many measurement rows takes (CPU time), in units of reading them with pandas alone; prints a table.

python tests/bench/report.py [--rows 100000] [--realistic] [--all]

Ten thousand cells, more rows are more rounds. `--realistic`: half of the cells compile, start-ups and machines are known, and
every run has eight calls. `--all`: what else a user may ask for too: extended tables, the best variants, ladders, the page.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from diffbench.catalogue.labels import read_labels  # noqa: E402
from diffbench.data.measurements import read_calls, read_measurements  # noqa: E402
from diffbench.data.remeasuring import Remeasurement  # noqa: E402
from diffbench.data.rows import records  # noqa: E402
from diffbench.page.details import read_details  # noqa: E402
from diffbench.page.headline import cell_key  # noqa: E402
from diffbench.page.page import build_page  # noqa: E402
from diffbench.statistics.summary import summarize  # noqa: E402
from diffbench.statistics.summary_inputs import Evidence  # noqa: E402
from diffbench.tables.best import render_best  # noqa: E402
from diffbench.tables.extended import build_all_extended  # noqa: E402
from diffbench.tables.formats import to_markdown  # noqa: E402
from diffbench.tables.ladder import render_ladders  # noqa: E402
from diffbench.tables.tables import render_tables  # noqa: E402
from diffbench.vocabulary.columns import CALL_COLUMNS, CELL, COLUMNS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BASELINE = {"variant": "eager"}
CALLS = 8  # of a realistic run


def commands_of(summary):
    """The commands that the page shows."""
    return {cell_key(row): Remeasurement().command(row) for row in records(summary)}


def make_rows(count):
    """A frame of `count` rows: 10 GPUs, 5 torch builds, batch sizes 1 to 10, 2 variants, rounds to fill it up."""
    index = pd.RangeIndex(count)
    return pd.DataFrame("", index=index, columns=COLUMNS).assign(
        gpu="G" + (index % 10).astype(str),
        torch="2." + (index // 10 % 5).astype(str),
        pipeline="p" + (index // 50 % 10).astype(str),
        batch_size=1 + index // 500 % 10,
        size="native",
        variant=np.where(index // 5000 % 2, "eager", "compile"),
        round=1 + index // 10000,
        stage=1,
        status="ok",
        definition="0123456789ab",
        iterations_per_second=1 + index % 97,
        latency_s=2.5,
        device_name="a device",
        started_at="2026-11-20T10:00:00Z",
    )


def make_realistic(rows):
    """The rows with rates that spread by 1%, a compiled variant that is faster, start-ups, memory and provenance."""
    generator = np.random.default_rng(0)
    compiled = rows["variant"] == "compile"
    rate = np.exp(generator.normal(2.3, 0.01, len(rows)) + 0.3 * compiled).round(4)
    startup_s = np.where(compiled, np.where(rows["round"] == 1, 60.0, 12.0), 1.0) * generator.uniform(
        0.9, 1.1, len(rows)
    )
    return rows.assign(
        iterations=50,
        calls=CALLS,
        stopped_by="target",
        half_width_percent=0.4,
        iterations_per_second=rate,
        denoiser_calls_per_second=rate,
        images_per_second=(rows["batch_size"] * rate / 50).round(6),
        latency_s=(50 / rate).round(6),
        load_s=generator.uniform(2, 3, len(rows)).round(4),
        first_call_s=startup_s.round(4) + (50 / rate).round(6),
        compile_s=np.where(compiled, startup_s.round(4), np.nan),
        startup_s=startup_s.round(4),
        cache=np.where(compiled, np.where(rows["round"] == 1, "cold", "warm"), ""),
        warmup_calls=3,
        peak_process_mib=generator.uniform(3000, 3100, len(rows)).round(2),
        device_id="0123abcd",
        host_cpu="a CPU",
        host_cores=16,
        driver_version="580.1",
        cuda_version="13.0",
        torch_version=rows["torch"] + ".0+cu130",
        diffusers_version="0.42.1",
        transformers_version="5.17.0",
        accelerate_version="1.15.0",
        python_version="3.12.3",
        libraries="peft 0.17, xformers 1.0",
        environment_variables="OMP_NUM_THREADS=16",
        threads=16,
        dtype="float16",
        scale="full",
        weights="random",
    )


def make_calls(rows):
    """The measured calls of realistic rows."""
    calls = rows.loc[rows.index.repeat(CALLS)].reset_index(drop=True)
    latencies_s = calls["latency_s"] * np.random.default_rng(1).normal(1, 0.003, len(calls))
    return calls.assign(kind="call", call=calls.index % CALLS, latency_s=latencies_s.round(6))[
        CALL_COLUMNS[:-3]
    ].assign(loop_s=1, iterations=50, denoiser_calls=51)


class Clock:
    """The CPU seconds of each part, printed with their ratio to the first as soon as they are known."""

    def __init__(self):
        self.seconds = {}

    def time(self, name, act):
        start_s = time.process_time()
        value = act()
        self.seconds[name] = time.process_time() - start_s
        ratio = self.seconds[name] / next(iter(self.seconds.values()))
        print(f"| {name:26} | {self.seconds[name]:8.2f} | {ratio:8.1f} |", flush=True)
        return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--realistic", action="store_true")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    labels = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
    with tempfile.TemporaryDirectory() as folder:
        path, of_calls = Path(folder) / "measurements.csv", Path(folder) / "calls.csv"
        made = make_rows(options.rows)
        if options.realistic:
            made = make_realistic(made)
            make_calls(made).to_csv(of_calls, index=False, lineterminator="\n")
        made.to_csv(path, index=False, lineterminator="\n")
        del made
        report(path, of_calls if options.realistic else None, labels, options.all)


def report(path, of_calls, labels, everything):
    """Time each part of reporting and print the table."""
    clock = Clock()
    print(f"| {'part':26} | {'CPU s':>8} | {'ratio':>8} |\n|:{'-' * 26}-|-{'-' * 8}:|-{'-' * 8}:|")
    clock.time("pandas' bare reading", lambda: pd.read_csv(path, dtype=str, keep_default_na=False))
    rows = clock.time("checked reading", lambda: read_measurements([path]))
    calls = clock.time("reading the calls", lambda: read_calls([of_calls])) if of_calls else None
    cells = rows[CELL].drop_duplicates()
    summary = clock.time("summary", lambda: summarize(rows, cells, BASELINE, Evidence(calls=calls)))
    tables = clock.time("tables", lambda: render_tables(summary, labels))
    seconds = list(clock.seconds.values())
    if everything:
        clock.time("extended tables", lambda: list(map(to_markdown, build_all_extended(summary, labels).values())))
        clock.time("best variants", lambda: render_best(summary, labels, BASELINE, rows))
        clock.time("ladders", lambda: render_ladders(summary, labels, BASELINE))
        details = clock.time("page: its details", lambda: read_details(rows, calls, commands_of(summary), {}))
        page = clock.time("page", lambda: build_page(summary, labels, BASELINE, {"title": "benchmark"}, details))
    print(f"\n{len(rows)} rows, {len(summary)} cells, {len(tables)} tables: checked reading, summary and tables take")
    print(f"{sum(seconds[1:]) / seconds[0]:.1f} times pandas' bare reading; {sum(seconds[1:]):.1f} s")
    if everything:
        print(f"the page has {len(page) / 1e6:.0f} MB")
    print(
        f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB of memory, the making of the rows included"
    )


if __name__ == "__main__":
    main()
