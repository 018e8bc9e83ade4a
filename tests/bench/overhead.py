"""What a run costs beside loading and calls: starting, importing, evidence and bookkeeping.

    python tests/bench/overhead.py [--repeats 5] [--pipeline sd-txt2img] [--scale tiny]

Runs of an eager and a compiled cell, the latter with a cold and a warm compiler cache, spawned and forked (docs/method.md), one
after the other in one start. Overhead is the time of measure.py less loading and all calls. The first forked run of a round
imports the libraries; here it is counted apart.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
CALLS = ["--warmup-calls", "2", "--max-warmup-calls", "2", "--calls", "3", "--max-calls", "3"]
OWNER = {"spawn": "none", "forkserver": str(os.getpid())}


def read(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def overhead_s(arguments, folder, start_method, variant, number):
    """(seconds, the row's `cache`) of a run, `number` of its cell."""
    output = folder / f"{start_method}-{variant}-{number}"
    command = [
        sys.executable,
        ROOT / "workflow/scripts/measure.py",
        "--pipeline",
        arguments.pipeline,
        "--batch-size",
        "1",
    ]
    command += ["--scale", arguments.scale, "--variant", variant, "--round", str(number), "--output", output, *CALLS]
    command += ["--owner", OWNER[start_method], "--cache-folder", folder / start_method, "--log", folder / "log"]
    folder.mkdir(exist_ok=True)
    start_s = time.monotonic()
    result = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    if result.returncode:
        sys.exit(result.stderr.strip())
    wall_s = time.monotonic() - start_s
    rows, calls = read(output / "run.csv"), read(output / "calls.csv")
    statuses = {(row["status"], row["start_method"]) for row in rows}
    if statuses != {("ok", start_method)}:
        sys.exit(f"error: {output}: found {statuses}, expected ok and {start_method}; see above")
    spent_s = sum(float(call["latency_s"]) for call in calls) + sum(float(row["load_s"]) for row in rows)
    return wall_s - spent_s, rows[0]["cache"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--pipeline", default="sd-txt2img")
    parser.add_argument("--scale", default="tiny", choices=("tiny", "full"))
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(1, arguments.repeats + 1):
            for start_method in OWNER:
                # the first of a round, then two of which the second has a warm cache, from round 2 on
                for position, variant in enumerate(("eager", "eager-again", "compile")):
                    seconds, cache = overhead_s(
                        arguments, Path(name) / str(position), start_method, variant.partition("-")[0], number
                    )
                    kind = "first of its round" if position == 0 else cache or "eager"
                    found.append((kind, start_method, seconds))
    table = pd.DataFrame(found, columns=["run", "start", "seconds"]).pivot_table(
        index="run", columns="start", values="seconds", aggfunc="median", sort=False
    )
    table["ratio"] = table["spawn"] / table["forkserver"]
    print(f"overhead of a run of {arguments.pipeline}, {arguments.scale}: median seconds")
    print(table.to_markdown(floatfmt=".2f"))


if __name__ == "__main__":
    main()
