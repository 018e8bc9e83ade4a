"""The measurement row: its columns, and files that appear whole or not at all."""

import csv
import io
import os
from pathlib import Path

from .errors import SetupError

IDENTITY = ["gpu", "torch", "pipeline", "stage", "batch_size", "variant", "round"]
OUTCOME = ["status", "phase", "detail", "definition"]
RATE = [
    "calls",
    "iterations",
    "denoiser_calls",
    "iterations_per_second",
    "denoiser_calls_per_second",
    "images_per_second",
    "latency_s",
    "latency_q1_s",
    "latency_q3_s",
]
COLD = ["load_s", "first_call_s", "compile_s", "cache", "warmup_calls", "graphs"]
MEMORY = ["peak_allocated_mib", "peak_reserved_mib", "peak_device_mib", "peak_rss_mib"]
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
COLUMNS = IDENTITY + OUTCOME + RATE + COLD + MEMORY + PROVENANCE
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
