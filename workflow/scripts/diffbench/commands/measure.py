"""Measure one round of one cell: one pipeline, batch size, size and variant on this machine's device.

Writes run.csv (one row a stage), calls.csv (one row a call) and outputs/ (latents and image of one call a stage) to the
output folder, whole or not at all. A measurement that fails (out of memory, a compilation that breaks, a crash, a time limit)
is a row with its status, and exit code 0. A set-up that fails (wrong device, missing compiler or weights, full disk) is one line,
exit code 1 and no row.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from diffbench.catalogue.definition import (
    SCALES,
    STOPPING,
    WEIGHTS,
    check_limits,
    default_stopping,
    digest,
    option,
    resolve,
)
from diffbench.catalogue.devices import find_device
from diffbench.catalogue.schema_checks import check_catalogues
from diffbench.catalogue.sources import located
from diffbench.measurement import allocation
from diffbench.measurement.child_environment import child_environment, pad
from diffbench.measurement.command_line import add_place, parse_expected, size
from diffbench.measurement.locking import locked
from diffbench.measurement.monitor import Monitor
from diffbench.measurement.process_death import check_begun
from diffbench.measurement.revision import code_revision
from diffbench.measurement.rows import assemble, read_events
from diffbench.measurement.setup_checks import check_compiler, check_places, resolve_place, set_up_process
from diffbench.measurement.start_method import or_spawned, owner_of, template_of
from diffbench.measurement.supervisor import run_child
from diffbench.measurement.toolchain import compiler_version
from diffbench.mechanisms.registry import compiles
from diffbench.system import files
from diffbench.system.arguments import Parser, new_file, optional, path, percent, positive_integer
from diffbench.system.compiler_caches import CACHES, SHARED, cell_cache
from diffbench.system.folders import check_file
from diffbench.system.printing import print_anywhere
from diffbench.system.program_end import run_program
from diffbench.system.run_folder import run_folder
from diffbench.vocabulary.columns import CALL_COLUMNS, COLUMNS
from diffbench.vocabulary.errors import DiffbenchError, SetupError
from diffbench.vocabulary.sizes import NATIVE, name_at

FILES = ("calls.csv", "run.csv")  # the last one says that all is there
OUTPUTS = "outputs"  # the folder of what one call made


def parse_arguments(arguments=None):
    """The command line. `--root` is for catalogues that lie elsewhere than this program."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="a name of config/pipelines.yaml")
    parser.add_argument("--batch-size", required=True, type=positive_integer, help="images per prompt")
    parser.add_argument(
        "--size", default=NATIVE, type=size, help="native, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES, in pixels"
    )
    parser.add_argument("--variant", required=True, help="a name of config/variants.yaml")
    parser.add_argument("--output", required=True, type=path, help="folder for run.csv, calls.csv and outputs/")
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
        "--cache-folder", type=path, help="folder of all compiler caches, on a local disk; by default $DIFFBENCH_CACHE"
    )
    parser.add_argument("--weights", default="random", choices=WEIGHTS)
    parser.add_argument("--scale", default="tiny", choices=SCALES, help="the size of the random architectures")
    add_stopping(parser)
    parser.add_argument(
        "--time-limit-s", default=3600, type=positive_integer, help="for the whole run, waiting not counted"
    )
    parser.add_argument("--memory-limit-mib", type=optional(positive_integer), help="of host memory; none: no limit")
    parser.add_argument(
        "--events", type=new_file, help="write to this new file what the measuring process reports, as JSON lines"
    )
    parser.add_argument("--definition", help="refuse to run if the catalogues now give another definition hash")
    found = parser.parse_args(arguments)
    try:
        if not all(key in found for key in STOPPING):
            vars(found).update({**default_stopping(), **vars(found)})
        check_limits(vars(found), spell=option)
    except DiffbenchError as error:
        parser.error(error)
    return found


def add_stopping(parser):
    """Add the options of STOPPING; those that are not given are as in the default config, so that a cell has one definition."""
    group = parser.add_argument_group("when warm-up and calls end", "by default as in config/config.yaml")
    help_of = {
        "warmup_calls": "minimum number of calls before the measured ones",
        "max_warmup_calls": "maximum, if their times do not become steady",
        "calls": "minimum number of measured calls",
        "max_calls": "maximum, if the target is not met",
        "max_seconds": "after this time neither gets more than its minimum",
    }
    for key, text in help_of.items():
        group.add_argument(option(key), type=positive_integer, default=argparse.SUPPRESS, help=text)
    group.add_argument(
        option("target_percent"),
        type=percent,
        default=argparse.SUPPRESS,
        help="half-width of the median's 95%% interval that ends the calls; none: 0.5 on a GPU, 2 on a CPU",
    )


def name_cache(arguments, gpu, definition, device):
    """The name of the cell's own compiler cache. Each `device` has its own, for jobs on two GPUs of one node hold two locks, and
    so has each dataset, release and definition."""
    parts = (gpu, arguments.torch, arguments.pipeline, arguments.batch_size, arguments.variant, arguments.scale)
    place = digest([str(arguments.output.resolve().parent), sys.prefix, definition, arguments.expect, device])
    return "-".join(map(str, parts)) + "-" + place


def measure(arguments):
    """Measure as the arguments say and write the two files. Raises DiffbenchError; returns the rows."""
    check_places(arguments, arguments.output, FILES, [OUTPUTS])
    check_file(arguments.events)
    set_up_process(arguments)
    if not arguments.definition:  # the workflow has checked them
        check_catalogues(arguments.root)
    gpu, gpu_entry, arguments.expect = resolve_place(arguments)
    definition = resolve(
        arguments.pipeline,
        arguments.batch_size,
        arguments.variant,
        arguments.weights,
        arguments.scale,
        {key: getattr(arguments, key) for key in STOPPING},
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
    arguments.cache_folder = check_compiler(arguments.cache_folder, compiles(definition["variant"]), gpu_entry)
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
    with run_folder() as folder:
        rows, samples = supervise(arguments, gpu_entry, definition, identity, folder)
        texts = [files.to_csv(samples, CALL_COLUMNS), files.to_csv(rows, COLUMNS)]
        put_or_keep(arguments.output, dict(zip(FILES, texts)), {OUTPUTS: folder / OUTPUTS})
    return rows


def put_or_keep(output, texts, folders):
    """Put what was measured into the output folder; where that fails, into one for temporary files, and say so: SetupError."""
    try:
        files.put(output, texts, folders)
    except SetupError as error:
        kept = Path(tempfile.mkdtemp(prefix="diffbench-kept-"))
        try:
            files.put(kept, texts, folders)
        except SetupError:
            shutil.rmtree(kept, ignore_errors=True)
            raise error from None
        raise SetupError(f"{error}; the measurement is kept: move the files there from {kept}") from None


def supervise(arguments, gpu_entry, definition, identity, folder):
    """Run the measuring process under the device's lock. Returns rows and samples; raises SetupError."""
    spec = {
        "gpu": identity["gpu"],
        "torch": arguments.torch,
        "gpu_entry": gpu_entry,
        "definition": located(definition, arguments.root),
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
    log_path = arguments.log or folder / "measure.log"
    shared = {
        "code_revision": code_revision(),
        "scale": definition["scale"],
        "weights": definition["weights"],
        "compiler_version": compiler_version() if compiles(definition["variant"]) else None,
        **device.columns(),
    }
    with open(log_path, "ab") as log, locked(device.identity) as lock:
        limits = allocation.limits(*asked, time.monotonic() - asked_at_s)
        monitor = Monitor(device.gpu_uuid, spec["events"])
        name = name_cache(arguments, identity["gpu"], identity["definition"], device.id)
        with cell_cache(arguments.cache_folder, name, arguments.round, arguments.cache) as cache:
            own = child_environment(cache.folder, device.kind, arguments.threads, arguments.torch)
            environment = {**own, **device.environment()}
            pad(environment)
            owner = owner_of(arguments)
            template = template_of(arguments, owner, arguments.round)
            since = log.tell()
            death = run_child(spec, folder / "spec.json", environment, log, lock, limits, monitor, owner, template)
            events = read_events(spec["events"])
            death = check_begun(events, death, log_path, since)
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


def main():
    print_anywhere()
    arguments = parse_arguments()
    return run_program(lambda: describe(or_spawned(measure, arguments)), arguments.log)
