"""Measure the limits of this machine's device: a large matrix product in each dtype of the runs, and a large copy.

Writes one CSV with one row per dtype, completely or not at all. If the set-up fails (wrong device, wrong torch, too little
memory, full disk), prints one line, exits with code 1 and writes no row.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING

from diffbench.catalogue.devices import find_device
from diffbench.measurement import allocation
from diffbench.measurement.child_environment import child_environment
from diffbench.measurement.command_line import add_shared_arguments, parse_expected
from diffbench.measurement.locking import locked
from diffbench.measurement.monitor import Monitor
from diffbench.measurement.rows import read_events
from diffbench.measurement.setup_checks import check_paths, resolve_target, set_up_process
from diffbench.measurement.start_method import choose_template, find_owner, retry_spawned
from diffbench.measurement.supervisor import run_child
from diffbench.system.arguments import Parser, path
from diffbench.system.files import to_csv, write_whole
from diffbench.system.printing import print_anywhere
from diffbench.system.program_end import run_program
from diffbench.system.run_folder import run_folder
from diffbench.vocabulary.columns import CEILING_COLUMNS
from diffbench.vocabulary.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any


DTYPES = ("float16", "bfloat16", "float32", "tf32")
TIME_LIMIT_S = 600.0  # many times the time of the slowest device


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. `--root` is for catalogues in another folder than this program's."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=path, help="the CSV to write")
    parser.add_argument(
        "--dtypes",
        nargs="*",
        default=[],
        choices=DTYPES,
        help="default: float16, on a CPU float32; a dtype that the device lacks is a row without limits",
    )
    add_shared_arguments(parser)
    return parser.parse_args(arguments)


def measure_ceiling(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure in a separate process under the device's lock, and write and return the rows. Raises SetupError."""
    check_paths(arguments, arguments.output.parent, [arguments.output.name])
    set_up_process(arguments)
    gpu, gpu_entry, expected = resolve_target(arguments)
    identity = {"gpu": gpu, "torch": arguments.torch}
    spec = {**identity, "gpu_entry": gpu_entry, "environment": parse_expected(expected), "dtypes": arguments.dtypes}
    spec["threads"] = arguments.threads
    device = find_device(gpu, gpu_entry)
    with run_folder() as folder:
        spec["events"] = str(folder / "events.jsonl")
        base = child_environment(folder, device.kind, arguments.threads, arguments.torch)
        environment = {**base, **device.environment()}
        requested_at_s = time.monotonic()
        with open(arguments.log or os.devnull, "ab") as log, locked(device.identity) as lock:
            allocated = (arguments.allocated_mib, arguments.allocated_minutes)
            limits = allocation.lower_limits(TIME_LIMIT_S, None, *allocated, time.monotonic() - requested_at_s)
            monitor = Monitor(events=spec["events"])
            owner = find_owner(arguments)
            template = choose_template(arguments, owner, 1)
            death = run_child(spec, folder / "spec.json", environment, log, lock, limits, monitor, owner, template)
        events = read_events(spec["events"])
    if death:
        raise SetupError(f"the ceilings of gpu {gpu}: {death.detail}; --log FILE keeps what the process printed")
    rows = read_rows(identity, events)
    write_whole(arguments.output, to_csv(rows, CEILING_COLUMNS))
    return rows


def read_rows(identity: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per dtype: its measured limits, and the provenance, which is reported first."""
    shared, rows = dict(identity), []
    for event in events:
        if event["event"] == "values":
            rows.append({**shared, **event["columns"]})
        else:
            shared.update(event["columns"])
    return [{column: row[column] for column in CEILING_COLUMNS} for row in rows]


def describe(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One line per dtype with its measured limits."""
    for row in rows:
        product, copy = (
            f"{row[name]:.3g}" if row[name] else "unknown" for name in ("matmul_tflops", "copy_gib_per_second")
        )
        yield f"{row['gpu']}, torch {row['torch']}: {product} TFLOP/s in {row['dtype']}, copy at {copy} GiB/s"


def main() -> int:
    print_anywhere()
    arguments = parse_arguments()
    return run_program(lambda: describe(retry_spawned(measure_ceiling, arguments)), arguments.log)
