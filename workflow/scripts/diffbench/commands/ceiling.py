"""Measure what this machine's device can do at most: a large matrix product in each of the runs' dtypes, and a large copy.

Writes one CSV with one row per dtype, whole or not at all. A set-up that fails (wrong device, wrong torch, too little memory,
full disk) is one line, exit code 1 and no row.
"""

import argparse
import os
import time

from diffbench.catalogue.devices import find_device
from diffbench.measurement import allocation
from diffbench.measurement.child_environment import child_environment
from diffbench.measurement.command_line import add_place, parse_expected
from diffbench.measurement.locking import locked
from diffbench.measurement.monitor import Monitor
from diffbench.measurement.rows import read_events
from diffbench.measurement.setup_checks import check_places, resolve_place, set_up_process
from diffbench.measurement.start_method import or_spawned, owner_of, template_of
from diffbench.measurement.supervisor import run_child
from diffbench.system import files
from diffbench.system.arguments import Parser, path
from diffbench.system.printing import print_anywhere
from diffbench.system.program_end import run_program
from diffbench.system.run_folder import run_folder
from diffbench.vocabulary.columns import CEILING_COLUMNS
from diffbench.vocabulary.errors import SetupError

DTYPES = ("float16", "bfloat16", "float32", "tf32")
TIME_LIMIT_S = 600.0  # many times what the slowest device needs


def parse_arguments(arguments=None):
    """The command line. `--root` is for catalogues that lie elsewhere than this program."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=path, help="the CSV to write")
    parser.add_argument(
        "--dtypes",
        nargs="*",
        default=[],
        choices=DTYPES,
        help="default: float16, on a CPU float32; what the device cannot do is a row without limits",
    )
    add_place(parser)
    return parser.parse_args(arguments)


def measure_ceiling(arguments):
    """Measure in a process of its own under the device's lock and write the rows. Raises SetupError; returns the rows."""
    check_places(arguments, arguments.output.parent, [arguments.output.name])
    set_up_process(arguments)
    gpu, gpu_entry, expected = resolve_place(arguments)
    place = {"gpu": gpu, "torch": arguments.torch}
    spec = {**place, "gpu_entry": gpu_entry, "environment": parse_expected(expected), "dtypes": arguments.dtypes}
    spec["threads"] = arguments.threads
    device = find_device(gpu, gpu_entry)
    with run_folder() as folder:
        spec["events"] = str(folder / "events.jsonl")
        own = child_environment(folder, device.kind, arguments.threads, arguments.torch)
        environment = {**own, **device.environment()}
        asked_at_s = time.monotonic()
        with open(arguments.log or os.devnull, "ab") as log, locked(device.identity) as lock:
            allocated = (arguments.allocated_mib, arguments.allocated_minutes)
            limits = allocation.limits(TIME_LIMIT_S, None, *allocated, time.monotonic() - asked_at_s)
            monitor = Monitor(events=spec["events"])
            owner = owner_of(arguments)
            template = template_of(arguments, owner, 1)
            death = run_child(spec, folder / "spec.json", environment, log, lock, limits, monitor, owner, template)
        events = read_events(spec["events"])
    if death:
        raise SetupError(f"the ceilings of gpu {gpu}: {death[1]}; --log FILE keeps what the process printed")
    rows = read_rows(place, events)
    files.write_whole(arguments.output, files.to_csv(rows, CEILING_COLUMNS))
    return rows


def read_rows(place, events):
    """One row per dtype: what was measured in it, and the provenance, which is reported before."""
    shared, rows = dict(place), []
    for event in events:
        if event["event"] == "values":
            rows.append({**shared, **event["columns"]})
        else:
            shared.update(event["columns"])
    return [{column: line[column] for column in CEILING_COLUMNS} for line in rows]


def describe(rows):
    """One line per dtype of what was measured."""
    for line in rows:
        product, copy = (
            f"{line[name]:.3g}" if line[name] else "unknown" for name in ("matmul_tflops", "copy_gib_per_second")
        )
        yield f"{line['gpu']}, torch {line['torch']}: {product} TFLOP/s in {line['dtype']}, copy at {copy} GiB/s"


def main():
    print_anywhere()
    arguments = parse_arguments()
    return run_program(lambda: describe(or_spawned(measure_ceiling, arguments)), arguments.log)
