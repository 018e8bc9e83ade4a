"""The statuses of a stage of a cell, and the signs that tables print instead of a number."""

from __future__ import annotations

from typing import NamedTuple

OUTSIDE = "-"  # outside the matrix, or no number in this unit
OOM = "OOM"  # before or during the warm-up
OOM_IN_FIRST_CALL = "OOM after warmup"
OOM_LATER = "OOM after {completed} iteration"  # the published page calls a call an iteration
HOST_MEMORY = "host memory"  # in the `detail` of a row that ran out of the machine's memory, not the device's


class Status(NamedTuple):
    """`sign` is printed in tables, `words` in figures, on the page and wherever a font may lack the sign; `is_footnoted`: a table
    gives the reason in a footnote; `meaning` is Markdown for docs/method.md."""

    name: str
    sign: str
    words: str
    is_footnoted: bool
    meaning: str


STATUSES = (
    Status(
        "ok",
        "",
        "ok",
        False,
        "measured to the end. The row stays `ok` if a check of the [evidence](#evidence) cannot run, or if the "
        "process dies or reaches a limit during the check: `unverified` then says why",
    ),
    Status(
        "oom",
        OOM,
        "out of memory",
        False,
        "device or host memory ran out, or the run's processes exceeded `memory_limit_mib` (proportional set size: "
        f"a page that several of them share counts once). `{OOM}`: before or during the warm-up. "
        f"`{OOM_IN_FIRST_CALL}`: in the first measured call. `{OOM_LATER.format(completed='1st')}`: after one "
        "measured call, which the published page calls an iteration",
    ),
    Status("compile-error", "❌", "compile error", False, "dynamo, inductor or Triton failed"),
    Status(
        "unsupported",
        "n/a",
        "n/a",
        True,
        "this release, Python, device or model cannot do it, a library that it requires is not installed, or an "
        "attention or quantization library refuses the shapes, the dtype or the device at the first call",
    ),
    Status(
        "invalid",
        "invalid",
        "invalid",
        True,
        "it ran, but its number would be misleading: a mechanism of the variant had no effect "
        "([Evidence](#evidence)); something was compiled again after the warm-up; a call made a number of images "
        "that is not the batch size; the denoiser's output contained NaN or infinity; an image contains them or is "
        "the same everywhere; the progress bar did not advance. The output is checked from the first call to the "
        "end of the warm-up, always with the same seed; the first call that fails the check ends the run",
    ),
    Status("timeout", "timeout", "timeout", True, "stopped at `time_limit_s`"),
    Status(
        "crashed",
        "crashed",
        "crashed",
        True,
        "any other error, or the process died after it had begun to load the pipeline",
    ),
    Status("open", "…", "not measured yet", False, "not measured yet (only in `summary.csv`)"),
)
BY_NAME = {status.name: status for status in STATUSES}
OPEN = BY_NAME["open"]
COMPILE_ERROR = BY_NAME["compile-error"]
MEASURED = tuple(status.name for status in STATUSES if status is not OPEN)  # those that a row of run.csv may have
FAILED = tuple(name for name in MEASURED if name != "ok")
FOOTNOTED = tuple(status.name for status in STATUSES if status.is_footnoted)
SYMBOLS = {status.sign: status.words for status in STATUSES if not status.sign.isascii()}


def sign_of(name: str) -> str:
    """The sign of a status in a table; other statuses of a published page print unchanged."""
    return BY_NAME[name].sign if name in BY_NAME else name


def words_of(name: str) -> str:
    """The words for a status."""
    return BY_NAME[name].words if name in BY_NAME else name
