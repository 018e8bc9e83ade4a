"""Exceptions with the texts of torch, CUDA and quantization libraries."""

import torch

NO_ENGINE = "GET was unable to find an engine to execute this computation"


HANDLE = "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"


INTERNAL = "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"


def device_with(monkeypatch, free_mib, failures=0):
    """Imitate a GPU with this much free memory, whose allocator has failed this often."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: {"num_ooms": failures})
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free_mib * 2**20, 80 * 2**30))


XFORMERS, TORCHAO, BITSANDBYTES = "xformers.ops.fmha.dispatch", "torchao.float8.inference", "bitsandbytes.functional"


def raise_in(module, error):
    """Raise the error in code of this module, which calls torch, as a library does."""
    namespace = {"__name__": module, "error": error}
    exec("def refuse():\n    raise error", namespace)
    namespace["refuse"]()
