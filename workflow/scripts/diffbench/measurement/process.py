"""The process that measures: `measuring_process.py SPEC`. supervisor.py starts and watches it. It reports its progress as
JSON lines, so that its parent knows how far it came if it dies."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from diffbench.catalogue.environments import is_built
from diffbench.libraries.failure import classify, fault_of
from diffbench.mechanisms.dtype import dtype_of
from diffbench.mechanisms.registry import compiles
from diffbench.system.compiler_caches import cell_folder
from diffbench.system.printing import flush, print_anywhere
from diffbench.vocabulary.errors import DiffbenchError, SetupError, one_line, print_traceback

from .garbage import importing
from .session import UNREPORTED, die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    import torch

    from .timer import CallSample


class Report:
    """Appends events to the file that the parent reads.

    An event is a dictionary with `event`, `stage` (its number, None before the first) and `at_s` (the monotonic clock), and
    by `event`: `provenance`, `values` and `sample` have `columns`; `dtypes` has `names`; `phase` has `phase`; `window` has
    `edge` (start or end of the measured calls); `pending` has `mechanisms`; `outcome` has `status` and `detail`;
    `setup-error` has `detail`.
    """

    def __init__(self, path: str) -> None:
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.stage: int | None = None
        self.current: str | None = None

    def emit(self, event: str, **content: Any) -> None:
        self.file.write(json.dumps({"event": event, "stage": self.stage, "at_s": time.monotonic(), **content}) + "\n")

    def phase(self, name: str) -> None:
        self.current = name
        self.emit("phase", phase=name)

    def values(self, **columns: Any) -> None:
        self.emit("values", columns=columns)

    def sample(self, kind: str, number: int, sample: CallSample) -> None:
        self.emit("sample", columns={"kind": kind, "call": number, **sample._asdict()})


def choose_device(spec: dict[str, Any]) -> torch.device:
    """The torch device of the run. Raises SetupError if it is not the device that the run names."""
    import torch

    from diffbench.catalogue.devices import check_device

    from .provenance import read_device

    kind = spec["gpu_entry"].get("device", "cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise SetupError(
            f"the run is for gpu {spec['gpu']}, but torch {torch.__version__} sees no CUDA device; install a CUDA build "
            "of torch, or hide the GPU with CUDA_VISIBLE_DEVICES= to measure the CPU"
        )
    device = torch.device("cuda", 0) if kind == "cuda" else torch.device(kind)
    found = read_device(device)
    check_device(spec["gpu"], spec["gpu_entry"], found["device_name"], found.get("device_memory_mib"))
    return device


@contextmanager
def starting(spec: dict[str, Any]) -> Iterator[None]:
    """A context in which every error is a SetupError: nothing has been measured yet."""
    try:
        with importing():
            yield
    except DiffbenchError:
        raise
    except (Exception, SystemExit) as error:  # a broken driver, library or package
        print_traceback(error)
        advice = f"; if its environment is broken, remove {sys.prefix}" if is_built() else ""
        raise SetupError(f"measuring cannot start here: {type(error).__name__}: {one_line(error)}{advice}") from None


def start(spec: dict[str, Any], report: Report) -> torch.device:
    """Import torch and diffusers, check device and environment, report the provenance. Returns the device. Raises
    SetupError."""
    with starting(spec):
        import torch

        from .provenance import check_environment, read_provenance

    with starting(spec):
        torch.set_num_threads(spec["threads"])
        device = choose_device(spec)
        provenance = read_provenance(device)
    check_environment(spec["environment"], provenance, device, spec["torch"])
    report.emit("provenance", columns={**provenance, "start_method": spec["start_method"]})
    return device


def measure(spec: dict[str, Any], report: Report) -> None:
    """Measure every stage of the run. A stage that fails leaves its status, and the next stage is measured."""
    device, definition = start(spec, report), spec["definition"]
    stages, is_cpu = definition["stages"], device.type == "cpu"
    report.emit("dtypes", names=[dtype_of(stage, definition["variant"], is_cpu) for stage in stages])
    with starting(spec):
        from .measure_stage import free_stage, measure_stage

    for description in stages:
        report.stage = description["number"]
        try:
            measure_stage(description, definition, device, report, spec["outputs"], cell_folder())
            status, detail = "ok", None
        except DiffbenchError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # any error of a pipeline, a compiler or a driver is this stage's outcome
            if isinstance(error, SystemExit) and report.current in (None, "load"):
                print_traceback(error)
                raise SetupError(
                    f"a library ended the process (SystemExit: {error}); look for a broken one in the log"
                ) from None
            status, detail = classify(error, compiles(definition["variant"]))
            print_traceback(error)
            fault = fault_of(error, [cell_folder(), spec["outputs"]])
            if fault and report.current != "evidence":  # then the numbers stand already
                raise SetupError(fault) from None
        report.emit("outcome", status=status, detail=detail)
        if description is not stages[-1]:  # the last one's memory goes with the process
            free_stage(device, compiles(definition["variant"]))


def measure_ceiling(spec: dict[str, Any], report: Report) -> None:
    """Measure the device's limits in each dtype. Raises SetupError for any failure, because such a failure has no row."""
    device = start(spec, report)
    from .ceiling import ceiling_columns

    try:
        for name in spec["dtypes"] or [dtype_of({}, {}, device.type == "cpu")]:
            report.values(**ceiling_columns(device, name))
    except (Exception, SystemExit) as error:  # any error of a driver, such as too little memory
        print_traceback(error)
        detail = f"{type(error).__name__}: {one_line(error)}"
        raise SetupError(f"the ceilings cannot be measured: {detail}; see the log") from None


def main(spec_path: str, start_method: str) -> int:
    die_with_parent()
    print_anywhere()
    with open(spec_path, encoding="utf-8") as file:
        spec = json.load(file)
    spec["start_method"] = start_method
    report = Report(spec["events"])
    try:
        if "definition" in spec:
            measure(spec, report)
        else:
            measure_ceiling(spec, report)
    except DiffbenchError as error:
        try:
            report.emit("setup-error", detail=one_line(error))
        except OSError:
            return UNREPORTED
        return 1
    except OSError as error:
        print_traceback(error)
        return UNREPORTED
    return 0


def run(spec_path: str, start_method: str) -> NoReturn:
    """Measure, and end this process."""
    code = main(spec_path, start_method)
    flush()
    os._exit(code)  # all is reported: tearing torch down would only take time
