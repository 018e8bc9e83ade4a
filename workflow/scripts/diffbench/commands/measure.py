"""Measure one round of one cell: one pipeline, batch size, size and variant on this machine's device.

Writes run.csv (one row per stage), calls.csv (one row per call) and outputs/ (latents and image of one call per stage) to
the output folder, completely or not at all. A measurement that fails (out of memory, a failed compilation, a crash, a time
limit) is a row with its status, and the exit code is 0. If the set-up fails (wrong device, missing compiler or weights,
full disk), prints one line, exits with code 1 and writes no row.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.catalogue.definition import (
    SCALES,
    STOPPING,
    WEIGHTS,
    check_limits,
    command_line_option,
    default_stopping,
    digest,
    resolve,
)
from diffbench.catalogue.devices import find_device
from diffbench.catalogue.schema_checks import check_catalogues
from diffbench.catalogue.sources import with_absolute_paths
from diffbench.measurement import allocation
from diffbench.measurement.child_environment import child_environment, pad
from diffbench.measurement.command_line import add_shared_arguments, parse_expected, size
from diffbench.measurement.locking import locked
from diffbench.measurement.monitor import Monitor
from diffbench.measurement.process_death import check_begun
from diffbench.measurement.revision import code_revision
from diffbench.measurement.rows import assemble, read_events
from diffbench.measurement.setup_checks import check_compiler, check_paths, resolve_target, set_up_process
from diffbench.measurement.start_method import choose_template, find_owner, retry_spawned
from diffbench.measurement.supervisor import run_child
from diffbench.measurement.toolchain import compiler_version
from diffbench.mechanisms.registry import compiles
from diffbench.system.arguments import Parser, new_file, optional, path, percent, positive_integer
from diffbench.system.compiler_caches import CACHES, SHARED, cell_cache
from diffbench.system.files import put_together, to_csv
from diffbench.system.folders import check_file
from diffbench.system.printing import print_anywhere
from diffbench.system.program_end import run_program
from diffbench.system.run_folder import run_folder
from diffbench.vocabulary.columns import CALL_COLUMNS, COLUMNS
from diffbench.vocabulary.errors import DiffbenchError, SetupError
from diffbench.vocabulary.sizes import NATIVE, name_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any


FILES = ("calls.csv", "run.csv")  # the last one marks a complete output
OUTPUTS = "outputs"  # the folder for the output of one call


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. `--root` is for catalogues in another folder than this program's."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="a name in config/pipelines.yaml")
    parser.add_argument("--batch-size", required=True, type=positive_integer, help="images per prompt")
    parser.add_argument(
        "--size", default=NATIVE, type=size, help="native, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES, in pixels"
    )
    parser.add_argument("--variant", required=True, help="a name in config/variants.yaml")
    parser.add_argument("--output", required=True, type=path, help="folder for run.csv, calls.csv and outputs/")
    add_shared_arguments(parser)
    parser.add_argument("--round", default=1, type=positive_integer, help="round 1 empties the cell's compiler cache")
    parser.add_argument(
        "--rounds",
        type=optional(positive_integer),
        help="rounds of the cell: the last one deletes that cache; none: keep it",
    )
    parser.add_argument(
        "--cache", default=SHARED, choices=CACHES, help="fresh: later rounds do not use what round 1 compiled"
    )
    parser.add_argument(
        "--cache-folder", type=path, help="folder of all compiler caches, on a local disk; default: $DIFFBENCH_CACHE"
    )
    parser.add_argument("--weights", default="random", choices=WEIGHTS)
    parser.add_argument("--scale", default="tiny", choices=SCALES, help="size of the random architectures")
    add_stopping(parser)
    parser.add_argument(
        "--time-limit-s", default=3600, type=positive_integer, help="time limit of the whole run, without waiting"
    )
    parser.add_argument(
        "--memory-limit-mib", type=optional(positive_integer), help="limit on host memory; none: no limit"
    )
    parser.add_argument(
        "--events", type=new_file, help="new file for the events of the measuring process, as JSON lines"
    )
    parser.add_argument(
        "--definition", help="hash of the planned definition: refuse to run if the catalogues give another"
    )
    parsed = parser.parse_args(arguments)
    try:
        if not all(key in parsed for key in STOPPING):
            vars(parsed).update({**default_stopping(), **vars(parsed)})
        check_limits(vars(parsed), spell=command_line_option)
    except DiffbenchError as error:
        parser.error(str(error))
    return parsed


def add_stopping(parser: argparse.ArgumentParser) -> None:
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
        group.add_argument(command_line_option(key), type=positive_integer, default=argparse.SUPPRESS, help=text)
    group.add_argument(
        command_line_option("target_percent"),
        type=percent,
        default=argparse.SUPPRESS,
        help="half-width of the median's 95%% interval that ends the calls; none: 0.5 on a GPU, 2 on a CPU",
    )


def name_cache(arguments: argparse.Namespace, gpu: str, definition: str, device: str) -> str:
    """The name of the cell's compiler cache. Each `device` has its own, because jobs on two GPUs of one node hold two
    locks; so does each dataset, release and definition."""
    parts = (gpu, arguments.torch, arguments.pipeline, arguments.batch_size, arguments.variant, arguments.scale)
    suffix = digest([str(arguments.output.resolve().parent), sys.prefix, definition, arguments.expect, device])
    return "-".join(map(str, parts)) + "-" + suffix


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure as the arguments say, and write the two files. Returns the rows. Raises DiffbenchError."""
    check_paths(arguments, arguments.output, FILES, [OUTPUTS])
    check_file(arguments.events)
    set_up_process(arguments)
    if not arguments.definition:  # the workflow has checked them
        check_catalogues(arguments.root)
    gpu, gpu_entry, arguments.expect = resolve_target(arguments)
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
    planned = digest(definition)
    if arguments.definition and arguments.definition != planned:
        raise SetupError(
            f"{arguments.pipeline}: its definition is {planned}, but the workflow planned {arguments.definition}: "
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
        "definition": planned,
    }
    with run_folder() as folder:
        rows, samples = supervise(arguments, gpu_entry, definition, identity, folder)
        texts = [to_csv(samples, CALL_COLUMNS), to_csv(rows, COLUMNS)]
        put_or_keep(arguments.output, dict(zip(FILES, texts)), {OUTPUTS: folder / OUTPUTS})
    return rows


def put_or_keep(output: Path, texts: Mapping[str, str], folders: Mapping[str, Path]) -> None:
    """Write the measurement to the output folder. If that fails, keep it in a temporary folder and raise SetupError that
    names it."""
    try:
        put_together(output, texts, folders)
    except SetupError as error:
        kept = Path(tempfile.mkdtemp(prefix="diffbench-kept-"))
        try:
            put_together(kept, texts, folders)
        except SetupError:
            shutil.rmtree(kept, ignore_errors=True)
            raise error from None
        raise SetupError(f"{error}; the measurement is kept: move the files there from {kept}") from None


def supervise(
    arguments: argparse.Namespace,
    gpu_entry: Mapping[str, Any],
    definition: Mapping[str, Any],
    identity: Mapping[str, Any],
    folder: Path,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run the measuring process under the device's lock. Returns rows and samples. Raises SetupError."""
    spec = {
        "gpu": identity["gpu"],
        "torch": arguments.torch,
        "gpu_entry": gpu_entry,
        "definition": with_absolute_paths(definition, arguments.root),
        "environment": parse_expected(arguments.expect),
        "threads": arguments.threads,
        "events": str(arguments.events.resolve() if arguments.events else folder / "events.jsonl"),
        "outputs": str(folder / OUTPUTS),
    }
    (folder / OUTPUTS).mkdir()
    Path(spec["events"]).unlink(missing_ok=True)
    device = find_device(identity["gpu"], gpu_entry)
    requested = (
        arguments.time_limit_s,
        arguments.memory_limit_mib,
        arguments.allocated_mib,
        arguments.allocated_minutes,
    )
    requested_at_s = time.monotonic()
    log_path = arguments.log or folder / "measure.log"
    shared = {
        "code_revision": code_revision(),
        "scale": definition["scale"],
        "weights": definition["weights"],
        "compiler_version": compiler_version() if compiles(definition["variant"]) else None,
        **device.columns(),
    }
    with open(log_path, "ab") as log, locked(device.identity) as lock:
        limits = allocation.lower_limits(*requested, time.monotonic() - requested_at_s)
        monitor = Monitor(device.gpu_uuid, spec["events"])
        name = name_cache(arguments, identity["gpu"], identity["definition"], device.id)
        with cell_cache(arguments.cache_folder, name, arguments.round, arguments.cache) as cache:
            base = child_environment(cache.folder, device.kind, arguments.threads, arguments.torch)
            environment = {**base, **device.environment()}
            pad(environment)
            owner = find_owner(arguments)
            template = choose_template(arguments, owner, arguments.round)
            since = log.tell()
            death = run_child(spec, folder / "spec.json", environment, log, lock, limits, monitor, owner, template)
            events = read_events(spec["events"])
            death = check_begun(events, death, log_path, since)
            rows, samples = assemble(identity, shared, definition, events, death, monitor)
            for row in rows:
                row["cache"] = cache.state(row) if compiles(definition["variant"]) else None
            # if `rounds` is not known, keep a cache that contains compiled code
            is_used = compiles(definition["variant"]) or cache.compiled_files()
            last = arguments.rounds or (None if is_used else arguments.round)
            cache.finish(arguments.round, last, all(row["status"] == "ok" for row in rows))
    return rows, samples


def describe(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line per stage with its result, for the end of the run."""
    for row in rows:
        rate = row.get("iterations_per_second")
        result = f"{rate:.2f} it/s" if rate else f"{row['status']} during {row['phase']}: {row['detail']}"
        stage = f", stage {row['stage']}" if len(rows) > 1 else ""
        yield f"{name_at(row['pipeline'], row['size'])}, batch size {row['batch_size']}, {row['variant']}{stage}: {result}"


def main() -> int:
    print_anywhere()
    arguments = parse_arguments()
    return run_program(lambda: describe(retry_spawned(measure, arguments)), arguments.log)
