"""Check this machine's GPU, then measure the published matrix on it at full scale: one command, without network.

    python tests/gpu/run.py [--wheels FOLDER] [--minutes 9] [--output gpu]

It takes a CUDA device, torch, transformers and accelerate; what else is missing comes as wheels in a folder. It ends within its
minutes and, started again, goes on where it stopped, the most valuable first: the tests of tests/gpu; batch size 1, eager and
compiled; our rates over those of the published code's bare loop; batch sizes 4 and 16; regional compilation; the ladders.
Where there is no CUDA device it says so and measures nothing.

The output folder gets checks.txt, peer.txt and an archive of each dataset, whose content is what resources/measured/ wants.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".environments" / "gpu-wheels"
MATRIX, LADDER = ROOT / "config/gpu.yaml", ROOT / "config/gpu-ladder.yaml"
NEEDED = "torch, transformers, accelerate, diffusers, pynvml, psutil"
NEEDED += ", snakemake, jsonschema, fastjsonschema, pandas, scipy, skimage, seaborn, tabulate, pytest"
PACKING_S, LEAST_S = 60, 30  # what is kept for packing; with less than LEAST_S left nothing is started
REHEARSAL = {"name": "rehearsal", "scale": "tiny", "batch_sizes": [1], "variants": ["eager", "regional"], "rounds": 1}


class Step(NamedTuple):
    """A command. What it prints goes to `log`, which is there once it is done; a step without one knows itself what is left."""

    name: str
    command: list
    log: Path | None = None


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="folder of wheels; those of packages that are missing are used")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which it ends")
    parser.add_argument("--output", type=Path, default=Path("gpu"), help="folder for checks.txt, peer.txt and archives")
    parser.add_argument("--configfile", type=Path, default=MATRIX, help="what is measured")
    parser.add_argument(
        "--rehearse", action="store_true", help="miniatures, also on a CPU: shows that the command works, no more"
    )
    return parser.parse_args()


def is_missing(wheel):
    """Whether no release of the wheel's package is installed here."""
    try:
        metadata.version(re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]))
    except metadata.PackageNotFoundError:
        return True
    return False


def python(*arguments, **options):
    """Run this Python from the project's root, with what was unpacked of the wheels; `options` are of subprocess.Popen."""
    path = os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, text=True, **options)


def answer(*arguments):
    """(exit code, last line printed) of this Python."""
    process = python(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = process.communicate()[0].strip().splitlines()
    return process.returncode, lines[-1] if lines else ""


def prepare(wheels):
    """Unpack the wheels of missing packages, and see whether all is there. Returns what is wrong in one line, or None."""
    missing = [path for path in sorted(wheels.resolve().glob("*.whl")) if is_missing(path)] if wheels else []
    if missing:
        options = ["--quiet", "--no-index", "--no-deps", "--upgrade", "--target", SITE]
        code, line = answer("-m", "pip", "install", *options, *missing)
        if code:
            return f"--wheels {wheels}: {line}"
    code, line = answer("-c", f"import {NEEDED}")
    return f"{line}; put its wheel into a folder and name that with --wheels" if code else None


def snakemake(config, *targets, overlay=None):
    """The command that makes targets of a config, with the keys of the file `overlay` in place of its own."""
    command = [
        "-m",
        "snakemake",
        *targets,
        "--cores",
        os.cpu_count() or 1,
        "--nolock",
        "--configfile",
        config.resolve(),
    ]
    return command + ([overlay] if overlay else [])


def write_overlay(arguments, stem, **keys):
    """A file in the output folder that replaces keys of the config."""
    path = arguments.output / f"{stem}.json"
    path.write_text(json.dumps(keys) + "\n", encoding="utf-8")
    return path


def dataset_of(config, rehearse):
    """The name of a config's dataset."""
    if rehearse:
        return REHEARSAL["name"]
    return re.search(r"^name: *(\S+)", config.read_text(encoding="utf-8"), re.MULTILINE).group(1)


def steps(arguments):
    """The Steps in their order."""
    matrix, summary = (
        arguments.configfile,
        f"results/{dataset_of(arguments.configfile, arguments.rehearse)}/summary.csv",
    )
    checks, peer = arguments.output / "checks.txt", arguments.output / "peer.txt"
    if arguments.rehearse:
        yield Step("rehearsal", snakemake(matrix, summary, overlay=write_overlay(arguments, "rehearsal", **REHEARSAL)))
        return
    yield Step("tests of the device", ["-m", "pytest", "tests/gpu", "-q", "-p", "no:cacheprovider"], checks)
    for size, sizes in ((1, [1]), (4, [1, 4]), (16, [1, 4, 16])):
        overlay = write_overlay(arguments, f"batch-size-{size}", variants=["eager", "compile"], batch_sizes=sizes)
        yield Step(f"batch size {size}", snakemake(matrix, summary, overlay=overlay))
        if size == 1:
            yield Step("the bare loop", ["tests/bench/peer.py", "--scale", "full", "--pairs", 7], peer)
    yield Step("the whole matrix", snakemake(matrix, summary))
    yield Step("ladders", snakemake(LADDER, f"results/{dataset_of(LADDER, False)}/summary.csv"))


def run(command, seconds, log=None):
    """Run a command for so long at the most. Returns its exit code; None if it was stopped, as by Ctrl-C in a terminal: what was
    measured to its end stays. What it prints goes to the file `log` too, once it is done."""
    unfinished = log and log.with_suffix(".part")
    output = open(unfinished, "w", encoding="utf-8") if log else None
    try:
        process = python(*command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        code = wait(process, seconds)
    finally:
        if output:
            output.close()
            print(unfinished.read_text(encoding="utf-8"), end="", flush=True)
    if log and code is not None:
        unfinished.rename(log)
    return code


def wait(process, seconds):
    """The exit code of a process; None if it took longer, and was stopped with all that it had started."""
    try:
        return process.wait(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=PACKING_S / 3)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    return None


def pack(arguments):
    """Put an archive of what each dataset has so far into the output folder."""
    overlay = arguments.output / "rehearsal.json" if arguments.rehearse else None
    for config in [arguments.configfile] if arguments.rehearse else [arguments.configfile, LADDER]:
        name = dataset_of(config, arguments.rehearse)
        folder = ROOT / "results" / name
        if any(folder.glob("runs/**/run.csv")) and run(snakemake(config, "bundle", overlay=overlay), PACKING_S) == 0:
            shutil.copy(folder / f"{name}.zip", arguments.output)


def main():
    arguments = parse_arguments()
    ends_s = time.monotonic() + 60 * arguments.minutes - PACKING_S
    found, line = answer("-c", "import torch; print(torch.cuda.is_available())")
    if found == 0 and line != "True" and not arguments.rehearse:
        print("skipped: torch sees no CUDA device here, so nothing was measured")
        return
    problem = prepare(arguments.wheels)
    if problem:
        sys.exit(f"error: {problem}")
    arguments.output = arguments.output.resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    failed, left = [], False
    for step in steps(arguments):
        if step.log and step.log.is_file():
            continue
        left_s = ends_s - time.monotonic()
        if left_s < LEAST_S:
            left = True
            break
        print(f"{step.name}: {left_s:.0f} s left", flush=True)
        code = run(step.command, left_s, step.log)
        left = left or code is None
        failed += [step.name] if code else []
    pack(arguments)
    if failed:
        sys.exit(f"error: failed: {', '.join(failed)}; see above")
    print("no time left: start the command again to go on" if left else f"all is done: {arguments.output}")


if __name__ == "__main__":
    main()
