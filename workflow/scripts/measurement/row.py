"""The measurement row: its columns, and files that appear whole or not at all."""

import csv
import io
import os
import shutil
from pathlib import Path

from .errors import SetupError, one_line

IDENTITY = ["gpu", "torch", "pipeline", "stage", "batch_size", "variant", "round"]
OUTCOME = ["status", "phase", "detail", "definition"]
RATE = [
    "calls",
    "stopped_by",
    "half_width_percent",
    "iterations",
    "denoiser_calls",
    "iterations_per_second",
    "denoiser_calls_per_second",
    "images_per_second",
    "latency_s",
    "latency_q1_s",
    "latency_q3_s",
]
START = [
    "load_s",
    "first_call_s",
    "compile_s",
    "startup_s",
    "cache",
    "warmup_calls",
    "warmup_spread_percent",
    "graphs",
    "graph_breaks",
    "recompilations",
    "start_peak_allocated_mib",
    "start_peak_reserved_mib",
    "start_peak_rss_mib",
]
MEMORY = ["peak_allocated_mib", "peak_reserved_mib", "peak_device_mib", "peak_rss_mib"]
WORK = ["step_gflop", "step_mib"]
MACHINE = [
    "energy_per_image_j",
    "power_w",
    "temperature_c",
    "sm_clock_mhz",
    "low_clock_percent",
    "clock_limits",
    "device_processes",
    "other_cpu_percent",
    "cpu_clock_mhz",
    "cpu_clock_lowest_mhz",
]
PROVENANCE = [
    "device_name",
    "device_capability",
    "driver_version",
    "cuda_version",
    "cudnn_version",
    "torch_version",
    "triton_version",
    "diffusers_version",
    "transformers_version",
    "accelerate_version",
    "python_version",
    "threads",
    "dtype",
    "scale",
    "weights",
    "revision",
    "steps",
    "started_at",
    "code_revision",
]
COLUMNS = IDENTITY + OUTCOME + RATE + START + MEMORY + WORK + MACHINE + PROVENANCE
CEILING_COLUMNS = [
    "gpu",
    "torch",
    "dtype",
    "matmul_tflops",
    "copy_gib_per_second",
    "device_name",
    "torch_version",
    "cuda_version",
    "threads",
    "started_at",
]
CALL_COLUMNS = IDENTITY + ["definition", "kind", "call", "latency_s", "loop_s", "iterations", "denoiser_calls"]


def as_text(value):
    """A CSV cell: nothing for None, floats with the six significant digits that a clock can give."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def to_csv(rows, columns):
    """The rows (dictionaries) as CSV text; a missing key is an empty cell, an unknown one an error."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: as_text(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def copy_folder(source, target):
    """Put a copy of the folder at `target`, in the place of what is there: readers see all of it or nothing.

    Raises SetupError where the disk is full or the folder cannot be written; nothing half-written stays.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copytree(source, temporary)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = getattr(error, "strerror", None) or one_line(error)
        raise SetupError(f"{target}: cannot be written: {reason}; make room or mend the permissions") from None


def write_whole(path, text):
    """Write a text file under a temporary name in the same folder and rename it: readers see all of it or nothing.

    Raises SetupError where the disk is full or the folder cannot be written; nothing half-written stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        try:
            temporary.unlink()
        except OSError:
            pass
        raise SetupError(f"{path}: cannot be written: {error.strerror}; make room or mend the permissions") from None
