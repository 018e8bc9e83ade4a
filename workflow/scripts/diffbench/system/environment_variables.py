"""Environment variables: which ones a measuring process inherits, which ones are removed, and which ones its row records.

The config and the catalogues define a measurement, so a measuring process inherits only known variables. Programs need some
of them to find their files (NEEDED). Others set up the machine (MACHINE: thread placement, memory allocators, the driver);
these are recorded. Variables that make a library choose other kernels, another precision or other compiler options
(REMOVED) are left out with a message. A variable that turns on a debugging mode stops the run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.vocabulary.errors import SetupError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REFUSED = {  # any value but these turns the mode on: "", 0
    "CUDA_LAUNCH_BLOCKING": "the host waits for every kernel",
    "HIP_LAUNCH_BLOCKING": "the host waits for every kernel",
    "AMD_SERIALIZE_KERNEL": "the host waits for every kernel",
    "AMD_SERIALIZE_COPY": "the host waits for every copy",
    "PYTORCH_NO_CUDA_MEMORY_CACHING": "every tensor is allocated by the driver",
    "PYTORCH_NO_HIP_MEMORY_CACHING": "every tensor is allocated by the driver",
}
THREADS = (  # `threads` of the config sets them
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
OTHER_THREADS = re.compile(  # would contradict them; OpenMP has separate forms for host and device (_ALL, _DEV_0)
    r"(OMP_(NUM_THREADS|THREAD_LIMIT|DYNAMIC|NESTED|MAX_ACTIVE_LEVELS|NUM_TEAMS|TEAMS_THREAD_LIMIT)(_ALL|_DEV(_[0-9]+)?)?"
    r"|KMP_(ALL_THREADS|MAX_THREADS|DEVICE_THREAD_LIMIT|TEAMS_THREAD_LIMIT)|MKL_DYNAMIC|MKL_DOMAIN_NUM_THREADS"
    r"|GOTO_NUM_THREADS|BLIS_NUM_THREADS|VECLIB_MAXIMUM_THREADS|NUMEXPR_NUM_THREADS|NUMEXPR_MAX_THREADS)\Z"
)
# a place, a release or a name: changes no number
INERT = re.compile(
    r"(_(HOME|PATH|PATHS|DIR|FOLDER|ROOT|FILE|FILENAME|DIRS|DIRECTORY|INC|INCLUDE|LIB|LIBRARIES|COMPONENT_LIST|(?<!_GFX_)(?<!BNB_CUDA_)VERSION|ARCH_LIST|ROCM_ARCH|VERBOSITY|NO_ADVISORY_WARNINGS))\Z"
    r"|(CUDA|HIP|ROCR)_VISIBLE_DEVICES\Z|CUDA_DEVICE_ORDER\Z|PYTORCH_BUILD_NUMBER\Z"
)
# names a place too, but of a tool that makes the code or watches it run: kept, and recorded
TOOLS = re.compile(
    r"TRITON_\w*(PTXAS|LIBDEVICE)\w*_PATH\Z|CUDA_INJECTION(32|64)_PATH\Z|CUDA_MPS_PIPE_DIRECTORY\Z|OMP_TOOL_LIBRARIES\Z"
)
KEPT = (  # of the prefixes below: memory allocators, what a machine cannot do without, and permissions
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_HIP_ALLOC_CONF",
    "PYTORCH_MPS_HIGH_WATERMARK_RATIO",
    "PYTORCH_MPS_LOW_WATERMARK_RATIO",
    "TORCHINDUCTOR_VEC_ISA_OK",
    "TORCH_WARM_POOL",
    "FLASH_ATTENTION_TRITON_AMD_ENABLE",
    "DIFFUSERS_DISABLE_REMOTE_CODE",
    "DIFFUSERS_TRUST_REMOTE_KERNELS",
)
REMOVED = re.compile(  # how a library chooses kernels, precision and compiler options
    r"(TORCH|TORCHINDUCTOR|TORCHDYNAMO|TORCHELASTIC|PYTORCH|INDUCTOR|AOT|AOTINDUCTOR|TRITON|DIFFUSERS|ACCELERATE|XFORMERS"
    r"|FLASH_ATTENTION|BNB|TORCHAO|BSR|CUBLAS|CUBLASLT|CUDNN|HIPBLAS|HIPBLASLT|ROCBLAS|MIOPEN|ONEDNN|DNNL)_"
    r"|(NVIDIA_TF32_OVERRIDE|ATEN_CPU_CAPABILITY|LRU_CACHE_CAPACITY|DISABLE_ADDMM_CUDA_LT|ENABLE_PERSISTENT_TMA_MATMUL"
    r"|ENABLE_TEMPLATE_TMA_STORE|ENABLE_TMA_LOAD_FOR_TEMPLATE_EPILOGUE|MKL_CBWR|MKL_ENABLE_INSTRUCTIONS|MKL_DEBUG_CPU_TYPE"
    r"|MKL_VERBOSE|OPENBLAS_CORETYPE|OPENBLAS_VERBOSE|NPY_(DIS|EN)ABLE_CPU_FEATURES|LOCAL_KERNELS|USE_HUB_KERNELS"
    r"|DISABLE_KERNEL_MAPPING)\Z"
)
MACHINE = re.compile(  # kept, and recorded since it can change numbers
    r"(CUDA|HIP|HSA|AMD|GPU|NVIDIA|NCCL|OMP|KMP|GOMP|MKL|OPENBLAS|MALLOC|JEMALLOC|TCMALLOC|MIMALLOC|NVCC)_"
    r"|(LD_PRELOAD|LD_AUDIT|LD_BIND_NOW|GLIBC_TUNABLES|THP_MEM_ALLOC_ENABLE|CC|CXX)\Z"
)
SEARCHED = re.compile(  # lists of folders in which a program or a library is looked for; an empty entry is the working folder
    r"(PATH|LD_LIBRARY_PATH|DYLD_(FALLBACK_)?(LIBRARY|FRAMEWORK)_PATH|CPATH|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|LIBRARY_PATH"
    r"|COMPILER_PATH)\Z"
)
NEEDED = re.compile(  # kept, and not recorded: who and where the user is, and where files are
    rf"{SEARCHED.pattern}|(HOME|USER|LOGNAME|LNAME|USERNAME|HOSTNAME|TZ|TMPDIR|TEMP|TMP)\Z"
    r"|(LANG|LANGUAGE|LC_\w+|XDG_(\w+_HOME|RUNTIME_DIR))\Z"
    r"|(HF_(HOME|HUB_CACHE|ASSETS_CACHE|MODULES_CACHE|KERNELS_CACHE)|HUGGINGFACE_(HUB|ASSETS)_CACHE|TRANSFORMERS_CACHE"
    r"|KERNELS_CACHE|TRANSFORMERS_VERBOSITY)\Z"
    r"|(GCC_EXEC_PREFIX|SDKROOT|DEVELOPER_DIR|MACOSX_DEPLOYMENT_TARGET|CUDACXX|MKLROOT|ONEAPI_ROOT|VIRTUAL_ENV)\Z"
    r"|(ROCM_(HOME|PATH)|ROCR_VISIBLE_DEVICES|PYTHONUSERBASE|__CF_USER_TEXT_ENCODING)\Z|(CONDA|NIX|SLURMD?)_"
)
CONTAINER = re.compile(r"NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES|REQUIRE_\w+|PRODUCT_NAME|BUILD_ID)\Z")
SECRET = re.compile(r"TOKEN|SECRET|PASS|AUTH|CRED|KEY|_USER(NAME)?\Z|LICENSE|COMM_ID|SOCKET")
PYTHON_BREAKS = (
    "PYTHONSAFEPATH",
    "PYTHONOPTIMIZE",
)  # hides a program's own modules; takes the docstrings that libraries read
PACKAGES = "DIFFBENCH_PACKAGES"  # what the user's PYTHONPATH names, for measuring_process.py
LONGEST_VALUE = 200  # characters
PADDING = "DIFFBENCH_PADDING"  # a variable of random length in the environment of a measuring process


def is_inert(name: str) -> bool:
    """Whether a variable only names a path, a device or a release."""
    return bool(INERT.search(name) or CONTAINER.match(name)) and not TOOLS.match(name)


def is_removed(name: str) -> bool:
    """Whether a variable would change the meaning of a variant."""
    return bool(REMOVED.match(name)) and name not in KEPT and not is_inert(name) and not TOOLS.match(name)


def check_refused(environment: Mapping[str, str]) -> None:
    """Raises SetupError for a debugging mode, in which rates are not the variant's."""
    for name, effect in REFUSED.items():
        value = environment.get(name, "")
        if value not in ("", "0"):
            raise SetupError(
                f"{name}={one_line(value, 40)}: {effect}, so that no rate would be the variant's; unset it"
            )


def ignored_names(environment: Mapping[str, str]) -> list[str]:
    """The names of the variables in `environment` that are set but that a measuring process does not get."""
    return sorted(name for name, value in environment.items() if value and is_removed(name) and name not in REFUSED)


def describe_ignored(environment: Mapping[str, str]) -> str | None:
    """One line that lists them; None if there are none."""
    names = ignored_names(environment)
    return f"ignored: {', '.join(names)}: the variant says what is measured (docs/method.md)" if names else None


def is_needed(name: str) -> bool:
    """Whether a measuring process inherits a variable."""
    if is_removed(name) or name in REFUSED or name in THREADS or OTHER_THREADS.match(name):
        return False
    return bool(NEEDED.match(name) or MACHINE.match(name) or REMOVED.match(name))


def inherit_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environment` that a measuring process inherits, with paths that do not depend on the working
    folder, and without an empty CC or CXX."""
    found = {name: make_absolute(name, value) for name, value in environment.items() if is_needed(name)}
    return {name: value for name, value in found.items() if value or name not in ("CC", "CXX")}


def with_english_messages(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with messages in English: failure.py searches the compiler's messages. Paths keep the user's
    encoding."""
    found = {name: value for name, value in environment.items() if name not in ("LC_ALL", "LANGUAGE")}
    if environment.get("LC_ALL"):
        found["LC_CTYPE"] = environment["LC_ALL"]
    return {**found, "LC_MESSAGES": "C"}


def make_absolute(name: str, value: str) -> str:
    """The value of a variable for a process that works in another folder. Entries for the working folder are left out."""
    if SEARCHED.match(name):
        return join_absolute(value.split(os.pathsep))
    if name in ("LD_PRELOAD", "LD_AUDIT"):  # a name without folder is looked for where libraries are
        return ":".join(os.path.abspath(part) if "/" in part else part for part in re.split(r"[:\s]+", value) if part)
    if name in ("CC", "CXX", "CUDACXX") and "/" not in value:  # looked for on PATH
        return value
    is_relative = value and not os.path.isabs(value) and os.path.exists(value)
    return os.path.abspath(value) if is_relative else value


def join_absolute(paths: Iterable[str]) -> str:
    """The folders of a search path as absolute paths, without entries for the working folder."""
    return os.pathsep.join(
        os.path.abspath(path)
        for path in paths
        if os.path.isabs(path) or (path and os.path.abspath(path) != os.path.abspath(""))
    )


def package_folders(environment: Mapping[str, str], pinned: bool) -> str:
    """The folders of the user's PYTHONPATH, which a measuring process of the Python that runs Snakemake searches first. The
    working folder is left out: its files must change nothing."""
    named = [] if pinned else environment.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(
        os.path.abspath(path) for path in named if path and os.path.realpath(path) != os.path.realpath("")
    )


def describe_recorded(environment: Mapping[str, str]) -> str:
    """`NAME=value; …`: the variables in a measuring process's environment that can change its numbers, sorted by name."""
    found = []
    for name in sorted(environment):
        value = environment[name]
        if not value or not (REMOVED.match(name) or MACHINE.match(name)) or is_inert(name) or SECRET.search(name):
            continue
        if name in ("LD_PRELOAD", "LD_AUDIT"):  # their folders say more about the user than about the run
            value = ":".join(Path(path).name for path in re.split(r"[:\s]+", value) if path)
        elif "/" in value:
            value = Path(value).name
        found.append(f"{name}={one_line(value, LONGEST_VALUE).replace(';', ',')}")
    return "; ".join(found)
