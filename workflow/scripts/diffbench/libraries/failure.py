"""From an exception to a row's status and one line of detail."""

from __future__ import annotations

import contextlib
import errno
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from diffbench.vocabulary.errors import DiffbenchError, Invalid, Unsupported, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch

# "static TLS block": an error of the loader about a library, which more memory would not help
MEMORY_MESSAGES = re.compile(
    r"out[ _]?of[ _]?memory(?!.*static TLS block)|(?:can't|cannot|failed to) allocate memory(?!.*static TLS block)"
    r"|not enough memory|Invalid buffer size|bad_alloc|_ALLOC(?:ATION)?_FAILED\b|ErrorMemoryAllocation"
    r"|Killed signal terminated program",  # from gcc, if the kernel has killed its compiler process
    re.I,
)
# Faults of the machine or of the user, which are not an outcome of a cell: a pattern of the message, and what to do. The message
# may come from a compiler, or from a worker process that sends only text.
FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded|\[Errno (28|122)\]")
FAULTS = {
    FULL_DISK: "a disk is full: make room",
    re.compile(r"Read-only file system"): "a file system is read-only: name folders that you can write",
    re.compile(r"Stale (NFS )?file handle|Input/output error|Transport endpoint is not connected"): (
        "a file system fails: look at `dmesg` and `mount`"
    ),
    re.compile(r"Too many open files"): "the limit of open files is too low: raise `ulimit -n`",
    re.compile(r"File (too large|size limit exceeded)"): "the limit of a file's size is too low: raise `ulimit -f`",
    re.compile(r"Resource temporarily unavailable|can't start new thread|Cannot fork"): (
        "the limit of processes or threads is too low: raise `ulimit -u` or `ulimit -v`, or end others"
    ),
    re.compile(r"No usable temporary directory"): "there is no folder for temporary files: set TMPDIR to one",
    re.compile(
        r"GPU is lost|GPU (has )?fallen off the bus|uncorrectable ECC error|ECC_UNCORRECTABLE|NVLink error"
        r"|device(s|\(s\)) (is/)?are busy or unavailable|no CUDA-capable device|driver version is insufficient"
        r"|system not yet initialized|(driver/library|unsupported display driver).* mismatch|driver shutting down"
        r"|hardware stack error|requires reset|cudaErrorDevicesUnavailable|CUDA unknown error",
        re.I,
    ): "the GPU or its driver fails: look at `nvidia-smi` and `dmesg` (Xid)",
}
NUMBERS = {  # of an OSError whose text is in the user's language
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EROFS: "Read-only file system",
    errno.EIO: "Input/output error",
    errno.ESTALE: "Stale file handle",
    errno.ENOTCONN: "Transport endpoint is not connected",
    errno.EMFILE: "Too many open files",
    errno.ENFILE: "Too many open files",
    errno.EFBIG: "File too large",
    errno.EAGAIN: "Resource temporarily unavailable",
}
DECISIVE = re.compile(r"\b(fatal )?error *:|\bfatal *:|\bld: ")  # gcc, clang, nvcc, ptxas; the linker
LINKER_ENDS = re.compile(r"^collect2: error|linker command failed")  # a line without the reason
# Libraries that report a lack of memory in their own words. cuDNN tries one engine after the other and treats a failed
# allocation as a failed engine; creating a handle of cuBLAS or cuDNN fails if its workspace does not fit.
NO_ENGINE = re.compile(r"unable to find an engine|unable to find a valid cuDNN algorithm", re.I)
LIKELY_MEMORY = re.compile(NO_ENGINE.pattern + r"|CU(?:BLAS|DNN)_STATUS_NOT_INITIALIZED", re.I)
# these have many causes: a lack of memory only if the device is known to be full
PERHAPS_MEMORY = re.compile(r"CU(?:BLAS|DNN)_STATUS_(?:INTERNAL_ERROR|EXECUTION_FAILED)")
FULL_BELOW_MIB = 512  # the handles and kernels that a library loads on its own take up to some hundred MiB
MISSING_KERNEL = re.compile(r"not implemented for '")  # `"addmm_impl_cpu_" not implemented for 'Half'`
COMPILER_MODULES = ("torch._dynamo", "torch._inductor", "torch._functorch", "triton")
COMPILER_FUNCTIONS = ("_compile", "call_user_compiler", "compile_fx", "compile_fx_inner")
PLAIN = (ValueError, ImportError, RuntimeError, AssertionError)  # their text says enough without the type's name


class Outcome(NamedTuple):
    """How a stage or its process ended without a result: a status of the column `status`, and one line of detail."""

    status: str
    detail: str


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def device_is_full() -> bool | None:
    """Whether the GPU's memory is used up, or torch's allocator has failed since `forget_failures`; None if unknown."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    try:
        if torch.cuda.memory_stats().get("num_ooms", 0):
            return True
        free_bytes, _ = torch.cuda.mem_get_info()
    except Exception:  # a device that no longer answers
        return None
    return free_bytes < FULL_BELOW_MIB * 2**20


def forget_failures(device: torch.device) -> None:
    """Reset the count of failures of torch's allocator."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_accumulated_memory_stats(device)


def lacks_memory(error: BaseException) -> bool:
    """Whether this error itself says that device or host memory ran out."""
    text = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or MEMORY_MESSAGES.search(text):
        return True
    if LIKELY_MEMORY.search(text):
        return device_is_full() is not False
    return bool(PERHAPS_MEMORY.search(text)) and device_is_full() is True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether device or host memory ran out, according to the error or one of its causes."""
    return any(map(lacks_memory, chain(error)))


def matches(pattern: re.Pattern[str], error: BaseException) -> bool:
    """Whether this error itself matches the pattern of a message, by its number or its text."""
    number = NUMBERS.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    return bool(pattern.search(number) or pattern.search(str(error)))


def fault_of(error: BaseException, own: Iterable[object] = ()) -> str | None:
    """The fault of the machine or the user behind an error, in one line that ends with the reason; None for an outcome of
    the cell. `own` are folders of the run: a lack of permission there is a fault, too."""
    for cause in chain(error):
        for pattern, meaning in FAULTS.items():
            if matches(pattern, cause):
                return f"{meaning}: {text_of(cause, 160)}"
        if isinstance(cause, PermissionError) and str(cause.filename).startswith(tuple(map(str, own))):
            return f"a folder is not writable: change its permissions: {text_of(cause, 160)}"
    return None


def remedy_in(text: str) -> str | None:
    """The fault of the machine or the user in the output of another program, with advice; None if the output names none."""
    if MEMORY_MESSAGES.search(text):
        return "too little memory is free: raise `ulimit -v`, or end other programs"
    return next((meaning for pattern, meaning in FAULTS.items() if pattern.search(text)), None)


def decisive_line(text: str) -> str | None:
    """The line with the error in the output of a compiler; None if there is none."""
    lines = [line for line in text.splitlines() if DECISIVE.search(line) and not LINKER_ENDS.search(line)]
    return lines[0].strip() if lines else None


def text_of(error: BaseException, limit: int = 300) -> str:
    """Type and text of an error in one line. A compiler's output begins with its command; of that, the line with the error."""
    text = str(error)
    line = decisive_line(text)
    if line and len(one_line(text, limit + 1)) > limit:
        begin = next(filter(None, map(str.strip, text.splitlines())), "")
        text = line if begin == line else f"{one_line(begin, 80)}: {line}"
    return one_line(f"{type(error).__name__}: {text}", limit)


@contextlib.contextmanager
def refusing(reason: str, *kinds: type[BaseException]) -> Iterator[None]:
    """Turn exceptions of these kinds into Unsupported, with `reason` and their text: the variant is not possible here. Not
    if memory ran out or the machine is at fault; Unsupported, Invalid and DiffbenchError also pass unchanged."""
    try:
        yield
    except kinds as error:
        if isinstance(error, (Unsupported, Invalid, DiffbenchError)) or is_out_of_memory(error) or fault_of(error):
            raise
        name = "" if isinstance(error, PLAIN) else f"{type(error).__name__}: "
        raise Unsupported(f"{reason}: {name}{one_line(error, 160)}") from None


def modules_of(error: BaseException) -> Iterator[str]:
    """The names of the modules whose code was running when the error was raised, the outermost first."""
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next


def is_from_compiler(error: BaseException) -> bool:
    """Whether dynamo, inductor or Triton raised the error, or it was raised inside them."""
    if type(error).__module__.startswith(COMPILER_MODULES):
        return True
    traceback = error.__traceback__
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        if module.startswith(COMPILER_MODULES) and traceback.tb_frame.f_code.co_name in COMPILER_FUNCTIONS:
            return True
        traceback = traceback.tb_next
    return False


def is_from_cache(error: BaseException) -> bool:
    """Whether Diffusers' hooks for caching raised the error themselves: they do not fit this model."""
    return next(iter(reversed(list(modules_of(error)))), "").startswith("diffusers.hooks")


def classify(error: BaseException, compiled: bool) -> Outcome:
    """The Outcome of a stage that raised an exception; `compiled` is whether the variant compiles."""
    errors = list(chain(error))
    if isinstance(error, Unsupported):
        return Outcome("unsupported", one_line(error))
    if isinstance(error, Invalid):
        return Outcome("invalid", one_line(error))
    for cause in errors:
        if lacks_memory(cause):
            return Outcome("oom", text_of(cause))
    detail = text_of(error)
    if compiled and any(is_from_compiler(cause) for cause in errors):
        return Outcome("compile-error", detail)
    if is_from_cache(error):
        return Outcome("unsupported", one_line(f"the cache does not work on this model: {detail}"))
    if isinstance(error, NotImplementedError) or MISSING_KERNEL.search(detail) or NO_ENGINE.search(detail):
        return Outcome("unsupported", detail)
    return Outcome("crashed", detail)
