"""Measure one round of one cell: one pipeline, batch size, size and variant on this machine's device.

Writes run.csv (one row a stage), calls.csv (one row a call) and outputs/ (latents and image of one call a stage) to the
output folder, whole or not at all. A measurement
that fails (out of memory, a compilation that breaks, a crash, a time limit) is a row with its status, and exit code 0.
A set-up that fails (wrong device, missing compiler or weights, full disk) is one line, exit code 1 and no row.
"""

import argparse
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from columns import CALL_COLUMNS, COLUMNS
from environments import read_environment
from measurement import allocation, row
from measurement.definition import NAME, ROOT, SCALES, SETTINGS, WEIGHTS, compiles, digest, resolve
from measurement.device import describe_gpu, find_device, resolve_auto
from measurement.errors import DiffbenchError, SetupError
from measurement.locking import locked
from measurement.monitor import Monitor
from measurement.supervise import assemble, read_events, run_child
from measurement.toolchain import check_toolchain
from sizes import NATIVE, SIZE, name_at

SCRIPTS = Path(__file__).resolve().parent
OUTPUTS = "outputs"  # the folder of what one call made
PADDING_BYTES = 4096  # a page: the range of `pad`
MEASURED = "measured"  # the file that marks a cache whose cell was measured to its end


def parse_arguments(arguments=None):
    """The command line. `--root` is for catalogues that lie elsewhere than this program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="a name of config/pipelines.yaml")
    parser.add_argument("--batch-size", required=True, type=positive_integer, help="images per prompt")
    parser.add_argument(
        "--size", default=NATIVE, type=size, help="native, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES, in pixels"
    )
    parser.add_argument("--variant", required=True, help="a name of config/variants.yaml")
    parser.add_argument("--output", required=True, type=Path, help="folder for run.csv, calls.csv and outputs/")
    add_place(parser)
    parser.add_argument("--round", default=1, type=positive_integer, help="round 1 empties the cell's compiler cache")
    parser.add_argument("--weights", default="random", choices=WEIGHTS)
    parser.add_argument("--scale", default="tiny", choices=SCALES, help="the size of the random architectures")
    parser.add_argument("--warmup-calls", type=positive_integer, help="calls before those measured, at the least")
    parser.add_argument("--max-warmup-calls", type=positive_integer, help="at the most, if they do not grow steady")
    parser.add_argument("--calls", type=positive_integer, help="measured calls, at the least")
    parser.add_argument("--max-calls", type=positive_integer, help="at the most, if the target is not met")
    parser.add_argument("--max-seconds", type=positive_integer, help="after which neither gets more than its least")
    parser.add_argument(
        "--target-percent",
        type=optional_number,
        help="half-width of the median's 95%% interval that ends the calls; none: 0.5 on a GPU, 2 on a CPU",
    )
    parser.set_defaults(**SETTINGS)
    parser.add_argument("--time-limit-s", default=3600.0, type=float, help="for the whole run, waiting not counted")
    parser.add_argument("--memory-limit-mib", default=None, type=optional_number, help="of host memory; none: no limit")
    parser.add_argument("--definition", help="refuse to run if the catalogues now give another definition hash")
    parser.add_argument("--cache", type=Path, default=None, help="folder of the compiler caches, on a local disk")
    return parser.parse_args(arguments)


def add_place(parser):
    """The arguments that say where a measurement is made: device and environment, catalogues and log."""
    parser.add_argument("--gpu", default="auto", help="a name of config/gpus.yaml, or auto: this machine's device")
    parser.add_argument(
        "--torch",
        default="installed",
        type=name,
        help="a name of envs/torch-<name>.yaml, which is checked, or installed",
    )
    parser.add_argument(
        "--expect",
        default="",
        help="versions that must be imported: torch=2.13.0,diffusers=0.42.1; by default those of --torch",
    )
    parser.add_argument(
        "--allocated-mib", default=0, type=int, help="of the cluster's job; the run's limit stays below it"
    )
    parser.add_argument("--allocated-minutes", default=0, type=int, help="the same of its run time; 0: no such job")
    parser.add_argument("--log", type=Path, default=None, help="file for what the measuring process prints")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that holds config/ and resources/")


def positive_integer(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected an integer of 1 or more")
    return int(text)


def size(text):
    if not SIZE.match(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected native or a size such as 768x1360 or 480x832x81")
    return text


def optional_number(text):
    return None if text.lower() in ("none", "null", "") else float(text)


def name(text):
    if not NAME.match(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected letters, digits, '.', '_' and '-'")
    return text


def parse_expected(text):
    """{'torch': '2.13.0'} from 'torch=2.13.0'."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def code_revision(root):
    """The commit of the code that measures, with '-dirty' where files differ from it; None outside a checkout."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None


def private_folder(path):
    """Make a folder that only this user can write: what is loaded from it is run. Raises SetupError where another could."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise SetupError(f"{path}: others can write there, or it is a link; name a folder of your own with --cache")
    return path


def cell_cache(arguments, gpu, definition, device):
    """The folder of the cell's own compiler cache, and whether it is `cold` or `warm`. Call it under the device's lock: each
    `device` has its own, for jobs on two GPUs of one node hold two locks.

    Round 1 empties it, and so does a later round that finds another definition, release or dataset in it, or none that
    was measured to its end: warm means that the same cell has been measured with this cache.
    """
    base = arguments.cache or Path(os.environ.get("DIFFBENCH_CACHE") or default_cache())
    parts = (gpu, arguments.torch, arguments.pipeline, arguments.batch_size, arguments.variant, arguments.scale)
    place = digest([str(arguments.output.resolve().parent), sys.prefix, definition, arguments.expect, device])
    folder = private_folder(base) / ("-".join(map(str, parts)) + "-" + place)
    state = "warm" if arguments.round > 1 and (folder / MEASURED).is_file() else "cold"
    if state == "cold":
        shutil.rmtree(folder, ignore_errors=True)
    return private_folder(folder), state


def default_cache():
    return Path(tempfile.gettempdir()) / f"diffbench-cache-{os.getuid()}"


def child_environment(cache, device_type):
    """The environment of the measuring process: offline, with compiler caches of its own."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
    environment["TRITON_CACHE_DIR"] = str(cache / "triton")
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvml.py counts them
    environment["HF_HUB_OFFLINE"] = "1"
    environment["DIFFUSERS_VERBOSITY"] = environment.get("DIFFUSERS_VERBOSITY", "error")
    environment["TRANSFORMERS_VERBOSITY"] = environment.get("TRANSFORMERS_VERBOSITY", "error")
    if device_type == "cpu":
        # Vector instructions are a fact of the CPU, not of the cell: without this, every cold cache would compile the
        # same four probes of them again (torch/_inductor/config.py, vec_isa_ok).
        environment.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")
        # Inductor's worker processes compile Triton alone; on a CPU they would only take cores from the measured calls.
        environment.setdefault("TORCH_WARM_POOL", "0")
    return environment


def pad(environment):
    """Add a variable of random length, which moves the stack of the process: a fixed size of the environment can favour one
    variant for no reason of its own (Mytkowicz et al. 2009). Returns the length in bytes."""
    length = secrets.randbelow(PADDING_BYTES)
    environment["DIFFBENCH_PADDING"] = "x" * length
    return length


def resolve_place(arguments):
    """The device's name, its entry in the catalogue and the versions that must be imported. Raises DiffbenchError."""
    gpu = resolve_auto(arguments.root) if arguments.gpu == "auto" else arguments.gpu
    gpu_entry = describe_gpu(gpu, arguments.root)
    if gpu_entry.get("untested"):
        print(f"gpu {gpu}: devices of this kind are untested: look twice at what is measured", file=sys.stderr)
    if arguments.torch != "installed" and not arguments.expect:
        return gpu, gpu_entry, read_environment(arguments.torch, arguments.root).expected()
    return gpu, gpu_entry, arguments.expect


def measure(arguments):
    """Measure as the arguments say and write the two files. Raises DiffbenchError; returns the rows."""
    gpu, gpu_entry, arguments.expect = resolve_place(arguments)
    definition = resolve(
        arguments.pipeline,
        arguments.batch_size,
        arguments.variant,
        arguments.weights,
        arguments.scale,
        {key: getattr(arguments, key) for key in SETTINGS},
        arguments.root,
        arguments.size,
    )
    found = digest(definition)
    if arguments.definition and arguments.definition != found:
        raise SetupError(
            f"{arguments.pipeline}: its definition is {found}, but the workflow planned {arguments.definition}: "
            "the catalogues changed since it started; start it again"
        )
    if compiles(definition["variant"]):
        check_toolchain()
    identity = {
        "gpu": gpu,
        "torch": arguments.torch,
        "pipeline": arguments.pipeline,
        "batch_size": arguments.batch_size,
        "size": arguments.size,
        "variant": arguments.variant,
        "round": arguments.round,
        "definition": found,
    }
    with tempfile.TemporaryDirectory(prefix="diffbench-") as folder:
        rows, samples = supervise(arguments, gpu_entry, definition, identity, Path(folder))
        row.copy_folder(Path(folder) / OUTPUTS, arguments.output / OUTPUTS)
    row.write_whole(arguments.output / "calls.csv", row.to_csv(samples, CALL_COLUMNS))
    row.write_whole(arguments.output / "run.csv", row.to_csv(rows, COLUMNS))
    return rows


def supervise(arguments, gpu_entry, definition, identity, folder):
    """Run the measuring process under the device's lock. Returns rows and samples; raises SetupError."""
    spec = {
        "gpu": identity["gpu"],
        "torch": arguments.torch,
        "gpu_entry": gpu_entry,
        "definition": definition,
        "environment": parse_expected(arguments.expect),
        "events": str(folder / "events.jsonl"),
        "outputs": str(folder / OUTPUTS),
    }
    (folder / OUTPUTS).mkdir()
    device = find_device(identity["gpu"], gpu_entry)
    asked = (arguments.time_limit_s, arguments.memory_limit_mib, arguments.allocated_mib, arguments.allocated_minutes)
    asked_at_s = time.monotonic()
    with open(arguments.log or os.devnull, "ab") as log, locked(device.identity) as lock:
        limits = allocation.limits(*asked, time.monotonic() - asked_at_s)
        monitor = Monitor(device.gpu_uuid, spec["events"])
        cache, cache_state = cell_cache(arguments, identity["gpu"], identity["definition"], device.id)
        environment = {**child_environment(cache, device.kind), **device.environment()}
        padding_bytes = pad(environment)
        death = run_child(spec, folder / "spec.json", environment, log, lock, limits, monitor)
        events = read_events(spec["events"])
        if death is None and all(event["status"] == "ok" for event in events if event["event"] == "outcome"):
            (cache / MEASURED).touch()
    shared = {
        "code_revision": code_revision(arguments.root),
        "scale": definition["scale"],
        "weights": definition["weights"],
        "cache": cache_state if compiles(definition["variant"]) else None,
        "environment_padding_bytes": padding_bytes,
        **device.columns(),
    }
    return assemble(identity, shared, definition, events, death, monitor)


def describe(rows):
    """One line for each stage: what a user wants to see once the run is over."""
    for line in rows:
        rate = line.get("iterations_per_second")
        result = f"{rate:.2f} it/s" if rate else f"{line['status']} during {line['phase']}: {line['detail']}"
        stage = f", stage {line['stage']}" if len(rows) > 1 else ""
        yield f"{name_at(line['pipeline'], line['size'])}, batch size {line['batch_size']}, {line['variant']}{stage}: {result}"


def interrupted(number, frame):
    raise KeyboardInterrupt


def run_program(work, log=None):
    """Run a program's `work()`, which returns the lines to print once it is over; what the user can mend is one line, also in
    `log`, the path of a file, for a job on a cluster has no terminal.

    Returns the exit code.
    """
    signal.signal(signal.SIGTERM, interrupted)
    try:
        lines = work()
    except DiffbenchError as error:
        return tell(f"error: {error}", log)
    except OSError as error:
        return tell(f"error: {error.filename or 'a file'}: {error.strerror}; mend the path or make room", log)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    for line in lines:
        print(line, file=sys.stderr)
    return 0


def tell(text, log):
    """Print what the user can mend, and add it to the log. Returns exit code 1."""
    print(text, file=sys.stderr)
    try:
        with open(log or os.devnull, "a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError:
        pass  # it has been printed
    return 1


def main():
    arguments = parse_arguments()
    return run_program(lambda: describe(measure(arguments)), arguments.log)


if __name__ == "__main__":
    sys.exit(main())
