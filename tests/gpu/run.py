"""Check this machine's GPU, then measure the published matrix on it at full scale: one command, without network.

    python tests/gpu/run.py [--wheels FOLDER] [--minutes 9] [--output gpu]

It takes a CUDA device, torch, transformers and accelerate; what else is missing comes as wheels in a folder. It ends within its
minutes and, started again, goes on where it stopped, also on another machine if the output folder is there. The most valuable
comes first: half of the tests of tests/gpu; batch size 1, eager and compiled, one round, then three; batch sizes 4 and 16;
regional compilation; the other tests; our rates over those of the published code's bare loop, and a trace, of each pipeline;
the ladders. Where there is no CUDA device it says so and measures nothing.

The output folder gets what the tests, the bare loops and the traces printed, an archive of each dataset, whose content is what
resources/measured/ wants, and state.tar, from which it goes on.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import yaml  # transformers needs it too

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / ".environments"
SITE = OWN / "gpu-wheels"
MATRIX, LADDER = ROOT / "config/gpu.yaml", ROOT / "config/gpu-ladder.yaml"
NEEDED = "torch, transformers, accelerate, diffusers, pynvml, psutil"
NEEDED += ", snakemake, jsonschema, fastjsonschema, pandas, scipy, skimage, seaborn, tabulate, pytest"
PUBLISHED = ["sd-txt2img", "sdxl-txt2img", "sd-controlnet", "sd-img2img", "sd-inpaint", "if"]
PARTS = [  # of the matrix: pipelines, batch sizes, variants and rounds
    *(([pipeline], [1], ["eager", "compile"], 1) for pipeline in PUBLISHED),
    (PUBLISHED, [1], ["eager", "compile"], 3),
    (PUBLISHED, [1, 4], ["eager", "compile"], 3),
    (PUBLISHED, [1, 4, 16], ["eager", "compile"], 3),
]
PACKING_S = 60  # of the minutes, kept for packing
LAST_RUN_S = 100  # before that no other run is started: most compiled ones take less, and what is stopped is lost
LEAST_S = 30  # with less left, no step is started
REHEARSAL = {"name": "rehearsal", "scale": "tiny", "batch_sizes": [1], "variants": ["eager", "regional"], "rounds": 1}


class Step(NamedTuple):
    """A command. What it prints goes to `log`, which is there once it is done; Snakemake has none, for it knows what is left."""

    name: str
    command: list
    log: Path | None = None


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="folder of wheels; those of packages that are missing are used")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which it ends")
    parser.add_argument("--output", type=Path, default=Path("gpu"), help="folder for logs, archives and state.tar")
    parser.add_argument("--configfile", type=Path, default=MATRIX, help="what is measured")
    parser.add_argument(
        "--rehearse", action="store_true", help="miniatures, also on a CPU: shows that the command works, no more"
    )
    return parser.parse_args()


def python(*arguments, path=(), **options):
    """Start this Python from the project's root, with what was unpacked of the wheels; `options` are of subprocess.Popen."""
    found = [*map(str, path), str(SITE), os.environ.get("PYTHONPATH")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, found))}
    return subprocess.Popen([sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, text=True, **options)


def answer(*arguments, path=()):
    """(exit code, last line printed) of this Python."""
    process = python(*arguments, path=path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = process.communicate()[0].strip().splitlines()
    return process.returncode, lines[-1] if lines else ""


def plain(name):
    """A package's name as it compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def prepare(wheels):
    """Unpack the wheels of missing packages, and see whether all is there. Returns what is wrong in one line, or None."""
    there = {plain(found.metadata["Name"]) for found in metadata.distributions(path=[*sys.path, str(SITE)])}
    found = sorted(wheels.resolve().glob("*.whl")) if wheels else []
    missing = [wheel for wheel in found if plain(wheel.name.split("-")[0]) not in there]
    if missing:
        options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--target", SITE]
        code, line = answer("-m", "pip", "install", *options, *missing)
        if code:
            return f"--wheels {wheels}: {line}"
    code, line = answer("-c", f"import {NEEDED}")
    if code:
        return f"{line}; put its wheel into a folder and name that with --wheels"
    code, line = answer("-m", "measurement.toolchain", path=[ROOT / "workflow/scripts"])
    return line.replace("error: ", "", 1) if code else None


def snakemake(config, *targets, **replaced):
    """The command that makes targets of a config, some keys replaced; a run that cannot be set up leaves the others alone."""
    command = ["-m", "snakemake", *targets, "--cores", os.cpu_count() or 1, "--nolock", "--keep-going"]
    command += ["--configfile", config.resolve()]
    if replaced:
        text = json.dumps(replaced, sort_keys=True)
        overlay = OWN / f"gpu-{zlib.crc32(text.encode()):08x}.json"
        overlay.parent.mkdir(exist_ok=True)
        overlay.write_text(text, encoding="utf-8")
        command.append(overlay)
    return command


def datasets(arguments):
    """(config, name, keys replaced) of what is measured."""
    if arguments.rehearse:
        return [(arguments.configfile, REHEARSAL["name"], REHEARSAL)]
    configs = [arguments.configfile, *([LADDER] if arguments.configfile == MATRIX else [])]
    default, *given = [
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in [ROOT / "config/config.yaml", *configs]
    ]
    return [(config, {**default, **keys}["name"], {}) for config, keys in zip(configs, given)]


def pytest_step(name, expression, output):
    command = ["-m", "pytest", "tests/gpu", "-q", "-p", "no:cacheprovider", "-m", expression]
    return Step(name, command, output / f"{name.replace(' ', '-')}.txt")


def steps(arguments):
    """The Steps in their order."""
    (matrix, name, replaced), *others = datasets(arguments)
    summary, output = f"results/{name}/summary.csv", arguments.output
    if not arguments.rehearse:
        yield pytest_step("first tests", "not afterwards", output)
    for pipelines, batch_sizes, variants, rounds in PARTS if others else []:
        keys = {"pipelines": pipelines, "batch_sizes": batch_sizes, "variants": variants, "rounds": rounds}
        part = [*snakemake(matrix, summary, **keys), "--until", "measure", "ceiling"]
        yield Step(
            f"{' '.join(pipelines)}, batch sizes {batch_sizes}, {' and '.join(variants)}, {rounds} round(s)", part
        )
    yield Step(f"the whole of {name}", snakemake(matrix, summary, **replaced))
    if not arguments.rehearse:
        yield pytest_step("other tests", "afterwards", output)
    for pipeline in PUBLISHED if others else []:
        command = ["tests/bench/peer.py", "--scale", "full", "--pairs", 5, "--pipelines", pipeline]
        yield Step(f"the bare loop of {pipeline}", command, output / f"peer-{pipeline}.txt")
        yield Step(
            f"a trace of {pipeline}", ["tests/gpu/gaps.py", "--pipelines", pipeline], output / f"gaps-{pipeline}.txt"
        )
    for config, name, _ in others:
        yield Step(f"the whole of {name}", snakemake(config, f"results/{name}/summary.csv"))


def ending_s(step):
    """How long before its time is over a Step is asked to end."""
    return 0 if step.log else LAST_RUN_S


def run(step, seconds):
    """Run a Step for so long at the most. Returns its exit code; None if it was stopped, which loses no run that was measured."""
    unfinished = step.log and step.log.with_suffix(".part")
    output = open(unfinished, "w", encoding="utf-8") if step.log else None
    try:
        process = python(*step.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        code = wait(process, seconds, ending_s(step))
    finally:
        if output:
            output.close()
            print(unfinished.read_text(encoding="utf-8"), end="", flush=True)
    if step.log and code is not None:
        unfinished.rename(step.log)
    return code


def wait(process, seconds, before_s):
    """The exit code of a process; None if it took longer, and was stopped with all that it had started. So many seconds before
    that it is asked to end by itself, which Snakemake does after the run that is on."""
    try:
        try:
            return process.wait(timeout=seconds - before_s)
        except subprocess.TimeoutExpired:
            if not before_s:
                raise
        process.terminate()
        process.wait(timeout=before_s)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        try:
            process.wait(timeout=PACKING_S / 3)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    return None


def measured(arguments):
    """The datasets of which something is measured."""
    return [(config, name, keys) for config, name, keys in datasets(arguments) if has_runs(name)]


def save_state(arguments):
    """Put what is measured into state.tar of the output folder."""
    unfinished = arguments.output / "state.part"
    with tarfile.open(unfinished, "w") as archive:
        for _, name, _ in measured(arguments):
            for part in ("runs", "ceilings"):
                if (ROOT / "results" / name / part).is_dir():
                    archive.add(ROOT / "results" / name / part, f"{name}/{part}")
    unfinished.rename(arguments.output / "state.tar")


def pack(arguments):
    """Put an archive of what each dataset has so far into the output folder. Returns the names of those that cannot be packed."""
    failed = []
    for config, name, keys in measured(arguments):
        if wait(python(*snakemake(config, "bundle", **keys), start_new_session=True), PACKING_S / 2, 0) != 0:
            failed.append(f"packing {name}")
        else:
            shutil.copy(ROOT / "results" / name / f"{name}.zip", arguments.output)
    return failed


def has_runs(name):
    return any((ROOT / "results" / name).glob("runs/**/run.csv"))


def unpack(arguments):
    """On a machine that has measured none of it, take what another one left in the output folder."""
    state = arguments.output / "state.tar"
    if state.is_file() and not measured(arguments):
        with tarfile.open(state) as archive:
            archive.extractall(ROOT / "results", filter="data")


def main():
    # in a shell's background it is ignored, also by what is started from here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = parse_arguments()
    ends_s = time.monotonic() + 60 * arguments.minutes - PACKING_S
    code, line = answer("-c", "import torch; print(torch.cuda.is_available())")
    if code == 0 and line != "True" and not arguments.rehearse:
        print("skipped: torch sees no CUDA device here, so nothing was measured")
        return
    problem = prepare(arguments.wheels)
    if problem:
        sys.exit(f"error: {problem}")
    arguments.output = arguments.output.resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    unpack(arguments)
    failed, left = [], False
    for step in steps(arguments):
        if step.log and step.log.is_file():
            continue
        left_s = ends_s - time.monotonic()
        if left_s < LEAST_S + ending_s(step):
            left = True
            break
        print(f"{step.name}: {left_s:.0f} s left", flush=True)
        code = run(step, left_s)
        save_state(arguments)
        left = left or code is None
        failed += [step.name] if code else []
    failed += pack(arguments)
    if failed:
        sys.exit(f"error: failed: {', '.join(failed)}; see above")
    print("no time left: start the command again to go on" if left else f"all is done: {arguments.output}")


if __name__ == "__main__":
    main()
