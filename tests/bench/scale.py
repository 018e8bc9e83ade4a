"""What the bookkeeping costs: planning and running matrices whose runs do nothing, beside as many rules of Snakemake that start a
Python, which a run is as well, one after the other.

Prints the table of docs/scale.md. Each figure is CPU time of one start of Snakemake; the two of a row follow one another.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import Project  # noqa: E402

# In the place of measure.py and ceiling.py: a row as a measurement writes it, without measuring.
NOTHING = """
import argparse, csv
from pathlib import Path

from diffbench.vocabulary.columns import IDENTITY, {columns}

parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ["output", "definition", *IDENTITY]:
    parser.add_argument("--" + name.replace("_", "-"))
given = vars(parser.parse_known_args()[0])
output = Path(given["output"])
row = {{name: given.get(name) for name in {columns}}}
row.update({row})
{before}
with open(output, "w", encoding="utf-8") as file:
    writer = csv.DictWriter(file, {columns})
    writer.writeheader()
    writer.writerow(row)
"""
ROW = (
    'stage="1", status="ok", iterations_per_second="1.5", latency_s="1", images_per_second="1", scale="tiny", '
    'weights="random", device_name="none", torch_version="none", started_at="2026-01-01T00:00:00Z"'
)
CEILING_ROW = 'matmul_tflops="1", copy_gib_per_second="1", dtype="none", started_at="2026-01-01T00:00:00Z"'
BEFORE = """
from diffbench.vocabulary.columns import CALL_COLUMNS
(output / "outputs").mkdir(parents=True, exist_ok=True)
(output / "calls.csv").write_text(",".join(CALL_COLUMNS) + "\\n", encoding="utf-8")
output = output / "run.csv"
"""
EMPTY = """
rule all:
    input: expand("done/{{number}}", number=range({count}))

rule empty:
    output: touch("done/{{number}}")
    threads: workflow.cores
    shell: "{python} -c pass"
"""
AXES = {
    "gpus": ["A100", "V100", "T4", "RTX-3090", "RTX-4090"],
    "pipelines": ["sd-txt2img", "sd-img2img", "sd-inpaint", "sd-controlnet", "sdxl-txt2img"],
    "variants": ["eager", "compile"],
}
SHAPES = {
    100: ([1], 2),
    1_000: ([1, 2, 4, 8], 5),
    10_000: ([1, 2, 4, 8], 50),
    50_000: ([1, 2, 4, 8], 250),
}  # batch sizes, rounds
EXECUTED = (100, 1_000)
RUNS = ("--until", "measure")  # without tables and figures: report.py measures those


def make_project(folder, count):
    """A project whose matrix has `count` runs, none of which measures anything."""
    project = Project(folder)
    scripts = project.folder / "workflow/scripts"
    (scripts / "measure.py").write_text(NOTHING.format(columns="COLUMNS", row=ROW, before=BEFORE), encoding="utf-8")
    (scripts / "ceiling.py").write_text(
        NOTHING.format(columns="CEILING_COLUMNS", row=CEILING_ROW, before=""), encoding="utf-8"
    )
    batch_sizes, rounds = SHAPES[count]
    project.configure(name="scale", torch=["installed"], batch_sizes=batch_sizes, rounds=rounds, documents=[], **AXES)
    return project.folder


def make_empty(folder, count):
    """A workflow of `count` empty rules."""
    folder.mkdir()
    (folder / "Snakefile").write_text(EMPTY.format(count=count, python=sys.executable), encoding="utf-8")
    return folder


def run(folder, *arguments):
    """(CPU seconds of all processes, peak MiB) of one start of Snakemake in the folder."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {folder}: snakemake {' '.join(arguments)} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    rows = []
    with tempfile.TemporaryDirectory(prefix="diffbench-scale-") as scratch:
        for count in SHAPES:
            ours, empty = (
                make_project(Path(scratch) / f"ours-{count}", count),
                make_empty(Path(scratch) / f"empty-{count}", count),
            )
            for what in ("planned", "executed") if count in EXECUTED else ("planned",):
                arguments, runs = (["-n"], []) if what == "planned" else ([], RUNS)
                (ours_s, ours_mib), (empty_s, empty_mib) = run(ours, *arguments, *runs), run(empty, *arguments)
                rows.append(
                    [f"{count:,} {what}", ours_s, empty_s, ours_s / empty_s, 1e3 * ours_s / count, ours_mib, empty_mib]
                )
                print(*rows[-1], file=sys.stderr)
    columns = ["runs", "CPU s", "empty rules, CPU s", "ratio", "ms a run", "MiB", "empty rules, MiB"]
    formats = ("", ".1f", ".1f", ".2f", ".1f", ".0f", ".0f")
    print(pd.DataFrame(rows, columns=columns).to_markdown(index=False, floatfmt=formats))


if __name__ == "__main__":
    main()
