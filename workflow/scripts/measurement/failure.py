"""From what went wrong to a row's status and one line of detail."""

import errno
import re

from .errors import Invalid, Unsupported, one_line

MEMORY_MESSAGES = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|CUBLAS_STATUS_ALLOC_FAILED|not enough memory", re.I
)
MISSING_KERNEL = re.compile(r"not implemented for '")  # `"addmm_impl_cpu_" not implemented for 'Half'`
COMPILER_MODULES = ("torch._dynamo", "torch._inductor", "torch._functorch", "triton")
COMPILER_FUNCTIONS = ("_compile", "call_user_compiler", "compile_fx", "compile_fx_inner")


def chain(error):
    """The error and those it came from, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_out_of_memory(error):
    """Whether device or host memory ran out."""
    name = type(error).__name__
    return isinstance(error, MemoryError) or name == "OutOfMemoryError" or bool(MEMORY_MESSAGES.search(str(error)))


def is_full_disk(error):
    """Whether the error, or one that it came from, is a full disk or a spent quota."""
    return any(isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT) for cause in chain(error))


def is_from_compiler(error):
    """Whether dynamo, inductor or Triton raised it, or it was raised inside them."""
    if type(error).__module__.startswith(COMPILER_MODULES):
        return True
    traceback = error.__traceback__
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        if module.startswith(COMPILER_MODULES) and traceback.tb_frame.f_code.co_name in COMPILER_FUNCTIONS:
            return True
        traceback = traceback.tb_next
    return False


def is_from_cache(error):
    """Whether Diffusers' hooks for caching raised it themselves: they were not made for this model."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("diffusers.hooks")


def classify(error, compiled):
    """(status, detail) for an exception that a stage raised; `compiled` says whether the variant compiles."""
    errors = list(chain(error))
    if isinstance(error, Unsupported):
        return "unsupported", one_line(error)
    if isinstance(error, Invalid):
        return "invalid", one_line(error)
    for cause in errors:
        if is_out_of_memory(cause):
            return "oom", one_line(f"{type(cause).__name__}: {cause}")
    detail = one_line(f"{type(error).__name__}: {error}")
    if compiled and any(is_from_compiler(cause) for cause in errors):
        return "compile-error", detail
    if is_from_cache(error):
        return "unsupported", one_line(f"the cache does not work on this model: {detail}")
    if isinstance(error, NotImplementedError) or MISSING_KERNEL.search(detail):
        return "unsupported", detail
    return "crashed", detail
