"""From an exception to a status: memory in whatever words, what a library refuses, what breaks."""

import errno
import os

import pytest

from diffbench.libraries.failure import classify, fault_of, refusing, text_of
from failures import HANDLE, INTERNAL, NO_ENGINE, device_with

CERTAIN = [
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 14.56 GiB",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "hipErrorOutOfMemory",
    "cudaErrorMemoryAllocation",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
    "std::bad_alloc",
    "[Errno 12] Cannot allocate memory",
    "C++ compile error: g++: fatal error: Killed signal terminated program cc1plus",
]


@pytest.mark.parametrize("text", CERTAIN)
@pytest.mark.parametrize("compiled", [False, True])
def test_memory_that_ran_out_is_oom_in_every_librarys_words(text, compiled):
    assert classify(RuntimeError(text), compiled) == ("oom", f"RuntimeError: {text}")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("libgomp.so.1: cannot allocate memory in static TLS block", "crashed"),
        ("out of resource: shared memory, Required: 163840, Hardware limit: 101376", "crashed"),
        ("CUDA error: an illegal memory access was encountered", "crashed"),
        (INTERNAL, "crashed"),
    ],
)
def test_other_failures_are_not_taken_for_memory(text, status):
    assert classify(RuntimeError(text), False)[0] == status


@pytest.mark.parametrize(
    ("text", "unknown", "full", "roomy"),
    [
        (NO_ENGINE, "oom", "oom", "unsupported"),
        ("FIND was unable to find an engine to execute this computation", "oom", "oom", "unsupported"),
        ("Unable to find a valid cuDNN algorithm to run convolution", "oom", "oom", "unsupported"),
        (HANDLE, "oom", "oom", "crashed"),
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "oom", "oom", "crashed"),
        (INTERNAL, "crashed", "oom", "crashed"),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`", "crashed", "oom", "crashed"),
    ],
)
def test_what_may_be_memory_is_decided_by_the_device(monkeypatch, text, unknown, full, roomy):
    assert classify(RuntimeError(text), False)[0] == unknown
    device_with(monkeypatch, free_mib=100)
    assert classify(RuntimeError(text), False)[0] == full
    device_with(monkeypatch, free_mib=40_000, failures=2)  # torch gave back what did not suffice
    assert classify(RuntimeError(text), False)[0] == full
    device_with(monkeypatch, free_mib=40_000)
    assert classify(RuntimeError(text), False)[0] == roomy


GXX = "g++ /tmp/cache/ab/cabc.main.cpp -D TORCH_INDUCTOR_CPP_WRAPPER " + "-I/opt/include " * 50
COMPILER = f"""C++ compile error

Command:
{GXX}

Output:
/tmp/cache/ab/cabc.main.cpp: In function 'void kernel()':
/tmp/cache/ab/cabc.main.cpp:7:5: error: 'tmp0' was not declared in this scope
    7 |     tmp0 = 1;
"""
LINKER = f"C++ compile error\n\nCommand:\n{GXX}\n\nOutput:\nld: cannot find -lc10\ncollect2: error: ld returned 1 exit status"
PTXAS = (
    f"Internal Triton PTX codegen error\n`ptxas` stderr:\n{'x' * 400}\nptxas fatal   : Value 'sm_120' is not defined\n"
)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (COMPILER, "C++ compile error: /tmp/cache/ab/cabc.main.cpp:7:5: error: 'tmp0' was not declared in this scope"),
        (LINKER, "C++ compile error: ld: cannot find -lc10"),
        (PTXAS, "Internal Triton PTX codegen error: ptxas fatal : Value 'sm_120' is not defined"),
        ("error: short\nand all of it", "error: short and all of it"),
        ("x" * 500, "x" * 285 + "\u2026"),
    ],
)
def test_of_a_compilers_message_the_line_that_decides_is_kept(text, detail):
    assert text_of(RuntimeError(text)) == f"RuntimeError: {detail}"
    assert classify(RuntimeError(text), False) == ("crashed", f"RuntimeError: {detail}")


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (OSError(errno.ENOSPC, "Kein Platz"), "a disk is full: make room: OSError: "),
        (OSError(errno.EROFS, "x"), "a file system is read-only: "),
        (OSError(errno.EIO, "x"), "a file system fails: look at `dmesg` and `mount`: "),
        (OSError(errno.ESTALE, "x"), "a file system fails: "),
        (RuntimeError("worker: OSError: [Errno 116] Stale file handle: '/n'"), "a file system fails: "),
        (OSError(errno.EMFILE, "x"), "the limit of open files is too low: raise `ulimit -n`: "),
        (OSError(errno.EFBIG, "x"), "the limit of a file's size is too low: raise `ulimit -f`: "),
        (BlockingIOError(errno.EAGAIN, "x"), "the limit of processes or threads is too low: raise `ulimit -u`"),
        (RuntimeError("can't start new thread"), "the limit of processes or threads is too low: "),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            "there is no folder for temporary",
        ),
        (
            RuntimeError("CUDA error: uncorrectable ECC error encountered"),
            "the GPU or its driver fails: look at `nvidia-smi`",
        ),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), "the GPU or its driver fails: "),
        (RuntimeError("CUDA-capable device(s) is/are busy or unavailable"), "the GPU or its driver fails: "),
        (
            RuntimeError("Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost."),
            "the GPU or its driver fails",
        ),
        (RuntimeError("CUDA driver version is insufficient for CUDA runtime version"), "the GPU or its driver fails: "),
        (RuntimeError("Failed to initialize NVML: Driver/library version mismatch"), "the GPU or its driver fails: "),
        # the cell's own
        (RuntimeError("CUDA error: device-side assert triggered"), None),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), None),
        (RuntimeError("CUDA out of memory"), None),
        (OSError(errno.ENOENT, "No such file", "/models/unet"), None),
        (PermissionError(errno.EACCES, "Permission denied", "/models/unet"), None),
    ],
)
def test_what_the_machine_or_the_user_is_at_fault_for_is_no_outcome_of_a_cell(error, meaning):
    for found in (error, caused(RuntimeError("the compiler failed"), error)):
        fault = fault_of(found)
        if meaning is None:
            assert fault is None
        else:
            assert fault.startswith(meaning)
            with pytest.raises(type(found)), refusing("the variant is not possible", Exception):
                raise found


def test_a_folder_of_the_run_that_may_not_be_written_is_no_outcome_of_a_cell():
    error = PermissionError(errno.EACCES, "Permission denied", "/cache/cell/ab.so")
    assert fault_of(error, ["/out", "/cache/cell"]).startswith("a folder is not writable: change its permissions: Perm")
    assert fault_of(error, ["/cache/other"]) is None


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.EAGAIN, errno.EFBIG, errno.EROFS])
def test_a_text_that_a_worker_process_sends_is_known_as_its_error_is(number):
    error = OSError(number, os.strerror(number))
    assert fault_of(RuntimeError(str(error))).split(":")[0] == fault_of(error).split(":")[0]
