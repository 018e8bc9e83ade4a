"""From an exception to a status: memory in whatever words, what a library refuses, what breaks."""

import pytest
import torch

from measurement.failure import classify

NO_ENGINE = "GET was unable to find an engine to execute this computation"
HANDLE = "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
INTERNAL = "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"
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


def device_with(monkeypatch, free_mib, failures=0):
    """Stand in for a GPU with so much free memory, whose allocator has failed so often."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: {"num_ooms": failures})
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free_mib * 2**20, 80 * 2**30))


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
