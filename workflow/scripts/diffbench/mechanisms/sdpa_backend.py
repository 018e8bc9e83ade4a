"""Restricting scaled dot-product attention (SDPA) to one kernel in the stage's modules."""

import re
from typing import NamedTuple, Optional, Tuple

from diffbench.libraries.failure import is_out_of_memory
from diffbench.libraries.releases import is_older
from diffbench.vocabulary.errors import Unsupported, one_line

from .mechanism import Mechanism, one_of


class Kernel(NamedTuple):
    """A kernel's name in torch.nn.attention.SDPBackend, its argument of torch.backends.cuda.sdp_kernel (before torch 2.3),
    and its names in a profile."""

    backend: str
    argument: Optional[str]
    in_profile: Tuple[str, ...]


SDPA_KERNELS = {  # by setting
    "flash": Kernel("FLASH_ATTENTION", "enable_flash", ("flash", "flash_for_cpu")),
    "efficient": Kernel("EFFICIENT_ATTENTION", "enable_mem_efficient", ("efficient",)),
    "cudnn": Kernel("CUDNN_ATTENTION", None, ("cudnn",)),
    "math": Kernel("MATH", "enable_math", ("math",)),
}
ON_GPU = ("efficient", "cudnn")
SDPA_KERNEL_SINCE = (2, 3)  # the release of torch that has torch.nn.attention.sdpa_kernel
NO_KERNEL = re.compile(r"No (available kernel|viable backend|(valid )?execution plans)|cudnn_frontend", re.I)


def older_switches(setting):
    """The arguments of torch.backends.cuda.sdp_kernel that allow only one kernel."""
    arguments = [kernel.argument for kernel in SDPA_KERNELS.values() if kernel.argument]
    return {argument: argument == SDPA_KERNELS[setting].argument for argument in arguments}


def sdpa_context(setting):
    """A function that returns a context manager in which scaled dot-product attention may use only this kernel."""
    import torch

    kernel = SDPA_KERNELS[setting]
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # before torch 2.3
        if kernel.argument is None:
            raise Unsupported(f"torch {torch.__version__} has no {setting} attention") from None
        return lambda: torch.backends.cuda.sdp_kernel(**older_switches(setting))
    if not hasattr(SDPBackend, kernel.backend):
        raise Unsupported(f"torch {torch.__version__} has no {setting} attention")
    return lambda: sdpa_kernel([getattr(SDPBackend, kernel.backend)])


def set_sdpa_backend(variant, setting):
    """Restrict scaled dot-product attention to one kernel, but only in the stage's modules: the VAE's heads may be too wide."""
    if setting in ON_GPU and variant.device.type != "cuda":
        raise Unsupported(f"{setting} attention runs only on CUDA devices")
    make = sdpa_context(setting)
    for module in variant.modules().values():
        module.forward = within(make, module.forward, setting)


def within(make, forward, setting):
    """`forward`, called within a context from `make`."""

    def attend(*arguments, **keys):
        try:
            with make():
                return forward(*arguments, **keys)
        except RuntimeError as error:
            if NO_KERNEL.search(str(error)) and not is_out_of_memory(error):
                raise Unsupported(f"{setting} attention cannot do these shapes: {one_line(error, 160)}") from None
            raise

    return attend


def write_lines(code, setting):
    """The lines use the context managers as decorators."""
    if is_older(code.versions["torch"], SDPA_KERNEL_SINCE):
        switches = ", ".join(f"{name}={value}" for name, value in older_switches(setting).items())
        kernel = f"torch.backends.cuda.sdp_kernel({switches})"
    else:
        backend = f"{code.use('torch.nn.attention.SDPBackend')}.{SDPA_KERNELS[setting].backend}"
        kernel = f"{code.use('torch.nn.attention.sdpa_kernel')}({backend})"
    code.add(*(f"{module}.forward = {kernel}({module}.forward)" for module in code.modules()))


SDPA_BACKEND = Mechanism(
    name="sdpa_backend",
    schema=one_of(*SDPA_KERNELS),
    apply=set_sdpa_backend,
    write_lines=write_lines,
    meaning="The only kernel that SDPA may use: `flash`, `efficient`, `cudnn` or `math`.",
    evidence=(
        "After the measured calls: the attention kernels that a denoiser call used. If another kernel is among "
        "them, the row is `invalid`."
    ),
)
