"""How long the default config takes on this machine, when its first row is seen, and what share of the time is measuring.

    python tests/bench/quickstart.py [--config KEY=VALUE ...]

Measures it in a copy of the project, with an empty folder of results and empty compiler caches. Measuring is calls, with what
they compile, and ceilings; the rest is starting, importing, loading, evidence, bookkeeping, tables and figures.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import Project, progress_rows  # noqa: E402

CEILINGS = "What "  # begins the line that Snakemake prints before it measures them
TABLE = "run     time"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for Snakemake")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project, begin_s, seen_s = Project(Path(name) / "project"), time.monotonic(), {}
        command = project.command(*(["--config", *arguments.config] if arguments.config else []))
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env={**os.environ, "DIFFBENCH_CACHE": f"{name}/caches"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        for line in process.stdout:
            print(line, end="", flush=True)
            kinds = {
                "ceilings": line.startswith(CEILINGS),
                "table": TABLE in line,
                "first row": bool(progress_rows(line)),
            }
            for kind, found in kinds.items():
                if found:
                    seen_s.setdefault(kind, time.monotonic() - begin_s)
        wall_s = time.monotonic() - begin_s
        if process.wait():
            sys.exit("error: the benchmark failed; see above")
        (results,) = (project.folder / "results").iterdir()
        calls, rows = pd.read_csv(results / "calls.csv"), pd.read_csv(results / "measurements.csv")
    ceilings_s = seen_s["table"] - seen_s["ceilings"]
    calls_s, compile_s = calls["latency_s"].sum(), rows["compile_s"].sum()
    parts = {"compilation": compile_s, "calls": calls_s - compile_s, "ceilings": ceilings_s}
    parts["all else"] = wall_s - sum(parts.values())
    runs = len(rows.drop_duplicates(["pipeline", "batch_size", "variant", "round"]))
    print(
        f"\n{runs} runs, {rows['round'].nunique()} rounds: {wall_s / 60:.1f} minutes, first row after {seen_s['first row']:.0f} s"
    )
    print(f"measuring: {1 - parts['all else'] / wall_s:.0%} of the time")
    table = pd.DataFrame({"seconds": parts}).assign(share=lambda found: found["seconds"] / wall_s)
    print(table.to_markdown(floatfmt=("", ".0f", ".0%")))


if __name__ == "__main__":
    main()
