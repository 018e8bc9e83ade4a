"""Measure one round of one cell: one pipeline, batch size, size and variant on this machine's device.

Writes run.csv (one row a stage), calls.csv (one row a call) and outputs/ (latents and image of one call a stage) to the
output folder, whole or not at all. A measurement
that fails (out of memory, a compilation that breaks, a crash, a time limit) is a row with its status, and exit code 0.
A set-up that fails (wrong device, missing compiler or weights, full disk) is one line, exit code 1 and no row.
"""

import os
import sys

# the working folder last, where an entry of PYTHONPATH puts it first; this folder first, which PYTHONSAFEPATH leaves out
sys.path.sort(key=os.getcwd().__eq__)  # noqa: PTH109
sys.path.insert(0, __file__.rpartition(os.sep)[0])

import argparse
import secrets
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from measurement.errors import DiffbenchError, SetupError, describe_missing

try:
    from columns import CALL_COLUMNS, COLUMNS
    from environments import read_environment
    from measurement import allocation, row
    from measurement.caches import CACHES, SHARED, advice, cell_cache, default_folder
    from measurement.definition import (
        NAME,
        ROOT,
        SCALES,
        SETTINGS,
        WEIGHTS,
        check_limits,
        compiles,
        digest,
        option,
        resolve,
    )
    from measurement.device import describe_gpu, find_device, resolve_auto
    from measurement.environment_variables import (
        PADDING,
        THREADS,
        check_refused,
        describe_ignored,
        inherited,
        python_path,
    )
    from measurement.forked import OWNER, or_spawned, template_of
    from measurement.locking import locked
    from measurement.monitor import Monitor
    from measurement.supervise import assemble, read_events, run_child
    from measurement.threads import check_threads, default_threads
    from measurement.toolchain import check_toolchain
    from sizes import NATIVE, SIZE, name_at
except ModuleNotFoundError as error:
    sys.exit(f"error: {describe_missing(error.name, sys.executable)}")

SCRIPTS = Path(__file__).resolve().parent
OUTPUTS = "outputs"  # the folder of what one call made
PADDING_BYTES = 4096  # a page: the range of `pad`
INSTALLED = "installed"  # the torch build that is the Python which runs this program


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage."""

    def error(self, message):
        self.exit(2, f"error: {message}\n")


def parse_arguments(arguments=None):
    """The command line. `--root` is for catalogues that lie elsewhere than this program."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="a name of config/pipelines.yaml")
    parser.add_argument("--batch-size", required=True, type=positive_integer, help="images per prompt")
    parser.add_argument(
        "--size", default=NATIVE, type=size, help="native, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES, in pixels"
    )
    parser.add_argument("--variant", required=True, help="a name of config/variants.yaml")
    parser.add_argument("--output", required=True, type=Path, help="folder for run.csv, calls.csv and outputs/")
    add_place(parser)
    parser.add_argument("--round", default=1, type=positive_integer, help="round 1 empties the cell's compiler cache")
    parser.add_argument(
        "--rounds",
        type=optional(positive_integer),
        help="of the cell, the last of which deletes that cache; none: it is kept",
    )
    parser.add_argument(
        "--cache", default=SHARED, choices=CACHES, help="fresh: later rounds do not use what round 1 compiled"
    )
    parser.add_argument(
        "--cache-folder", type=Path, help="folder of all compiler caches, on a local disk; by default $DIFFBENCH_CACHE"
    )
    parser.add_argument("--weights", default="random", choices=WEIGHTS)
    parser.add_argument("--scale", default="tiny", choices=SCALES, help="the size of the random architectures")
    parser.add_argument("--warmup-calls", type=positive_integer, help="calls before those measured, at the least")
    parser.add_argument("--max-warmup-calls", type=positive_integer, help="at the most, if they do not grow steady")
    parser.add_argument("--calls", type=positive_integer, help="measured calls, at the least")
    parser.add_argument("--max-calls", type=positive_integer, help="at the most, if the target is not met")
    parser.add_argument("--max-seconds", type=positive_integer, help="after which neither gets more than its least")
    parser.add_argument(
        "--target-percent",
        type=percent,
        help="half-width of the median's 95%% interval that ends the calls; none: 0.5 on a GPU, 2 on a CPU",
    )
    parser.set_defaults(**SETTINGS)
    parser.add_argument(
        "--time-limit-s", default=3600.0, type=positive_number, help="for the whole run, waiting not counted"
    )
    parser.add_argument("--memory-limit-mib", type=optional(positive_number), help="of host memory; none: no limit")
    parser.add_argument(
        "--events", type=Path, help="write to this file what the measuring process reports, as JSON lines"
    )
    parser.add_argument("--definition", help="refuse to run if the catalogues now give another definition hash")
    found = parser.parse_args(arguments)
    try:
        check_limits(vars(found), spell=option)
    except DiffbenchError as error:
        parser.error(error)
    return found


def add_place(parser):
    """The arguments that say where a measurement is made: device and environment, catalogues and log."""
    parser.add_argument("--gpu", default="auto", help="a name of config/gpus.yaml, or auto: this machine's device")
    parser.add_argument(
        "--torch",
        default=INSTALLED,
        type=name,
        help="a name of envs/torch-<name>.yaml, which is checked, or installed",
    )
    parser.add_argument(
        "--expect",
        default="",
        help="versions that must be imported: torch=2.13.0,diffusers=0.42.1; by default those of --torch",
    )
    parser.add_argument(
        "--threads", type=optional(positive_integer), help="CPU threads of torch; none: one for each physical core"
    )
    parser.add_argument(
        "--allocated-mib", default=0, type=count, help="of the cluster's job; the run's limit stays below it"
    )
    parser.add_argument("--allocated-minutes", default=0, type=count, help="the same of its run time; 0: no such job")
    parser.add_argument(
        "--owner",
        default=os.environ.get(OWNER),
        type=optional(positive_integer),
        help="pid: the run is forked from a process that has imported the libraries and ends with this one; by default $"
        f"{OWNER}; none: a new process",
    )
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


def count(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected an integer of 0 or more")
    return int(text)


def positive_number(text):
    try:
        if 0 < float(text) < float("inf"):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0")


def optional(kind):
    """The type of an argument that may be none."""
    return lambda text: None if text.lower() in ("none", "null", "") else kind(text)


def percent(text):
    found = optional(positive_number)(text)
    if found is not None and found > 100:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0 and of 100 at most, or none")
    return found


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


def name_cache(arguments, gpu, definition, device):
    """The name of the cell's own compiler cache. Each `device` has its own, for jobs on two GPUs of one node hold two locks, and
    so has each dataset, release and definition."""
    parts = (gpu, arguments.torch, arguments.pipeline, arguments.batch_size, arguments.variant, arguments.scale)
    place = digest([str(arguments.output.resolve().parent), sys.prefix, definition, arguments.expect, device])
    return "-".join(map(str, parts)) + "-" + place


def child_environment(cache, device_type, threads, torch=INSTALLED):
    """The environment of the measuring process: offline, with compiler caches of its own and the number of CPU threads; nothing
    in it says what is measured (environment_variables.py)."""
    environment = inherited(os.environ)
    pinned = torch != INSTALLED
    environment["PYTHONPATH"] = python_path(SCRIPTS, os.environ, pinned)
    if pinned:
        environment["PYTHONNOUSERSITE"] = "1"  # what the user has installed elsewhere is no part of it
    environment.update(dict.fromkeys(THREADS, str(threads)))
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
    variant for no reason of its own (Mytkowicz et al. 2009)."""
    environment[PADDING] = "x" * secrets.randbelow(PADDING_BYTES)


def set_up_process(arguments):
    """Resolve `arguments.threads`, and report the environment variables that are ignored: in the log, if there is one, for the
    workflow reports them itself. Raises SetupError for variables and numbers of threads that cannot be measured with."""
    check_refused(os.environ)
    arguments.threads = arguments.threads or default_threads()
    check_threads(arguments.threads, "threads")
    line = describe_ignored(os.environ)
    if line and arguments.log:
        with open(arguments.log, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    elif line:
        print(line, file=sys.stderr)


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
    set_up_process(arguments)
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
        arguments.cache,
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
        "threads": arguments.threads,
        "events": str(arguments.events.resolve() if arguments.events else folder / "events.jsonl"),
        "outputs": str(folder / OUTPUTS),
    }
    (folder / OUTPUTS).mkdir()
    Path(spec["events"]).unlink(missing_ok=True)
    device = find_device(identity["gpu"], gpu_entry)
    asked = (arguments.time_limit_s, arguments.memory_limit_mib, arguments.allocated_mib, arguments.allocated_minutes)
    asked_at_s = time.monotonic()
    base = arguments.cache_folder or default_folder()
    shared = {
        "code_revision": code_revision(arguments.root),
        "scale": definition["scale"],
        "weights": definition["weights"],
        **device.columns(),
    }
    with open(arguments.log or os.devnull, "ab") as log, locked(device.identity) as lock:
        limits = allocation.limits(*asked, time.monotonic() - asked_at_s)
        monitor = Monitor(device.gpu_uuid, spec["events"])
        name = name_cache(arguments, identity["gpu"], identity["definition"], device.id)
        with cell_cache(base, name, arguments.round, arguments.cache) as cache:
            own = child_environment(cache.folder, device.kind, arguments.threads, arguments.torch)
            environment = {**own, **device.environment()}
            pad(environment)
            template = template_of(arguments.owner, arguments.round)
            death = run_child(spec, folder / "spec.json", environment, log, lock, limits, monitor, template)
            events = read_events(spec["events"])
            rows, samples = assemble(identity, shared, definition, events, death, monitor)
            for line in rows:
                line["cache"] = cache.state(line) if compiles(definition["variant"]) else None
            # where `rounds` is not known, a cache is kept if it holds compiled code
            is_used = compiles(definition["variant"]) or cache.compiled_files()
            last = arguments.rounds or (None if is_used else arguments.round)
            cache.finish(arguments.round, last, all(line["status"] == "ok" for line in rows))
    return rows, samples


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
    """Run a program's `work()`, which returns the lines to print once it is over: in `log`, the path of a file, if there is one.
    What the user can mend is one line, printed and in `log` too, for a job on a cluster has no terminal.

    Returns the exit code.
    """
    signal.signal(signal.SIGTERM, interrupted)
    try:
        lines = work()
    except DiffbenchError as error:
        return tell(f"error: {error}", log)
    except OSError as error:
        what = f"error: {error.filename or 'a file'}: {error.strerror}; correct the path or make room"
        return tell(what + advice(error, default_folder()), log)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    for line in lines:
        if not log or not add_line(log, line):
            print(line, file=sys.stderr)
    return 0


def tell(text, log):
    """Print what the user can mend, and add it to the log. Returns exit code 1."""
    print(text, file=sys.stderr)
    add_line(log or os.devnull, text)
    return 1


def add_line(path, text):
    """Add a line to a file. Returns whether it could be written."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError:
        return False
    return True


def main():
    arguments = parse_arguments()
    return run_program(lambda: describe(or_spawned(measure, arguments)), arguments.log)


if __name__ == "__main__":
    sys.exit(main())
