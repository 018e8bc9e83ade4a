"""Each environment variable and each family of them that is refused, removed, kept or recorded."""

import pytest

from diffbench.catalogue.environments import is_built
from diffbench.system.environment_variables import (
    check_refused,
    describe_ignored,
    describe_recorded,
    ignored_names,
    inherit_variables,
    is_inert,
    is_removed,
    package_folders,
)
from diffbench.vocabulary.errors import SetupError

REFUSED = {
    "CUDA_LAUNCH_BLOCKING": "kernel",
    "HIP_LAUNCH_BLOCKING": "kernel",
    "AMD_SERIALIZE_KERNEL": "kernel",
    "AMD_SERIALIZE_COPY": "copy",
    "PYTORCH_NO_CUDA_MEMORY_CACHING": "tensor is allocated",
    "PYTORCH_NO_HIP_MEMORY_CACHING": "tensor is allocated",
}
THREADS = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
OTHER_THREADS = [
    "OMP_THREAD_LIMIT",
    "OMP_DYNAMIC",
    "MKL_DYNAMIC",
    "MKL_DOMAIN_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "OMP_NESTED",
    "OMP_MAX_ACTIVE_LEVELS",
    "OMP_NUM_TEAMS",
    "OMP_TEAMS_THREAD_LIMIT",
    "KMP_ALL_THREADS",
    "KMP_MAX_THREADS",
    "KMP_DEVICE_THREAD_LIMIT",
    "KMP_TEAMS_THREAD_LIMIT",
    *(
        f"OMP_{name}{form}"
        for name in ("NUM_THREADS", "DYNAMIC", "MAX_ACTIVE_LEVELS")
        for form in ("_ALL", "_DEV", "_DEV_0")
    ),
]
KEPT = [  # although of a family that is removed
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
]
REMOVED_FAMILIES = (
    "TORCH TORCHINDUCTOR TORCHDYNAMO TORCHELASTIC PYTORCH INDUCTOR AOT AOTINDUCTOR TRITON DIFFUSERS ACCELERATE XFORMERS "
    "FLASH_ATTENTION BNB CUBLAS CUBLASLT CUDNN HIPBLAS HIPBLASLT ROCBLAS MIOPEN ONEDNN DNNL"
)
REMOVED_NAMES = [
    "NVIDIA_TF32_OVERRIDE",
    "ATEN_CPU_CAPABILITY",
    "LRU_CACHE_CAPACITY",
    "DISABLE_ADDMM_CUDA_LT",
    "ENABLE_PERSISTENT_TMA_MATMUL",
    "ENABLE_TEMPLATE_TMA_STORE",
    "ENABLE_TMA_LOAD_FOR_TEMPLATE_EPILOGUE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_VERBOSE",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_VERBOSE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "LOCAL_KERNELS",
    "USE_HUB_KERNELS",
    "DISABLE_KERNEL_MAPPING",
]
RECORDED_FAMILIES = "CUDA HIP HSA AMD GPU NVIDIA NCCL OMP KMP GOMP MKL OPENBLAS MALLOC JEMALLOC TCMALLOC MIMALLOC NVCC"
INERT_ENDS = "HOME PATH PATHS DIR FOLDER ROOT FILE FILENAME VERSION ARCH_LIST ROCM_ARCH VERBOSITY NO_ADVISORY_WARNINGS"
INERT_NAMES = ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PYTORCH_BUILD_NUMBER"]
CONTAINER = ["VISIBLE_DEVICES", "DRIVER_CAPABILITIES", "REQUIRE_CUDA", "PRODUCT_NAME", "BUILD_ID"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_debugging_mode_is_refused_with_what_it_does(name):
    with pytest.raises(SetupError, match=f"{name}=true: .*{REFUSED[name]}.*; unset it"):
        check_refused({"HOME": "/", name: "true"})
    check_refused({name: "0"})
    check_refused({name: ""})
    assert describe_ignored({name: "0"}) is None, "a mode that is off needs no word"


@pytest.mark.parametrize("name", THREADS + OTHER_THREADS)
def test_nobody_elses_number_of_threads_is_inherited(name):
    assert inherit_variables({name: "7", "HOME": "/"}) == {"HOME": "/"}


@pytest.mark.parametrize("name", [*(f"{family}_X" for family in REMOVED_FAMILIES.split()), *REMOVED_NAMES])
def test_what_would_change_a_variant_is_removed_and_named(name):
    assert inherit_variables({name: "7", "HOME": "/"}) == {"HOME": "/"}
    assert ignored_names({name: "7", "HOME": "/"}) == [name]
    assert ignored_names({name: ""}) == [], "it was never set"
    assert ignored_names({f"MY_{name}": "7"}) == []


@pytest.mark.parametrize("name", [f"{name}_X" for name in REMOVED_NAMES] + ["TORCHX_Y", "CUDNNX"])
def test_a_name_that_begins_alike_is_another(name):
    assert not is_removed(name)


def test_those_ignored_are_named_in_order():
    line = describe_ignored({"TRITON_B": "1", "BNB_A": "1", "HOME": "/"})
    assert line == "ignored: BNB_A, TRITON_B: the variant says what is measured (docs/method.md)"


@pytest.mark.parametrize("name", KEPT)
def test_what_a_machine_needs_is_kept_and_recorded(name):
    assert inherit_variables({name: "1"}) == {name: "1"}
    assert describe_recorded({name: "1"}) == f"{name}=1"
    assert is_removed(f"{name}_2")


@pytest.mark.parametrize("family", RECORDED_FAMILIES.split())
def test_what_sets_a_machine_up_is_kept_and_recorded(family):
    name = f"{family}_X"
    assert inherit_variables({name: "1"}) == {name: "1"}
    assert describe_recorded({name: "1", f"MY_{name}": "1", "HOME": "/"}) == f"{name}=1"
    assert describe_recorded({name: ""}) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("TRITON_PTXAS_PATH", "TRITON_PTXAS_BLACKWELL_PATH", "TRITON_LIBDEVICE_PATH", "CUDA_INJECTION64_PATH"),
        *("CUDA_INJECTION32_PATH", "CUDA_MPS_PIPE_DIRECTORY", "OMP_TOOL_LIBRARIES"),
    ],
)
def test_a_tool_that_makes_or_watches_code_is_kept_and_recorded_without_its_folder(name):
    assert inherit_variables({name: "/somewhere/tool"}) == {name: "/somewhere/tool"}
    assert describe_recorded({name: "/somewhere/tool"}) == f"{name}=tool"
    assert ignored_names({name: "/somewhere/tool"}) == []


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "LD_AUDIT", "LD_BIND_NOW", "GLIBC_TUNABLES", "CXX", "CC", "THP_MEM_ALLOC_ENABLE"]
)
def test_what_a_loader_is_given_is_recorded(name):
    assert describe_recorded({name: "1", f"{name}_X": "1"}) == f"{name}=1"


@pytest.mark.parametrize(
    "name",
    [*(f"TORCH_{end}" for end in INERT_ENDS.split()), *INERT_NAMES, *(f"NVIDIA_{end}" for end in CONTAINER)],
)
def test_a_place_a_release_or_a_name_is_kept_and_not_recorded(name):
    assert is_inert(name)
    assert inherit_variables({name: "x"}) == {name: "x"}
    assert describe_recorded({name: "x"}) == ""
    assert not is_inert(f"{name}_Y") or name == "NVIDIA_REQUIRE_CUDA"


def test_the_release_that_an_amd_card_is_taken_for_is_no_mere_name():
    assert describe_recorded({"HSA_OVERRIDE_GFX_VERSION": "10.3.0"}) == "HSA_OVERRIDE_GFX_VERSION=10.3.0"


@pytest.mark.parametrize("word", ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "KEY"])
def test_what_may_be_private_is_not_recorded(word):
    assert describe_recorded({f"NCCL_{word}S": "hunter2", "NCCL_DEBUG": "1"}) == "NCCL_DEBUG=1"


def test_a_record_is_sorted_in_one_line_and_short():
    text = describe_recorded({"OMP_B": "1\n2", "KMP_A": "x" * 300, "LD_PRELOAD": "/a/b.so /c/d.so::e.so"})
    assert text == f"KMP_A={'x' * 199}\u2026; LD_PRELOAD=b.so:d.so:e.so; OMP_B=1 2"


SWITCHES = (
    "SAFEPATH OPTIMIZE WARNINGS INSPECT STARTUP MALLOC HASHSEED DONTWRITEBYTECODE TRACEMALLOC PROFILEIMPORTTIME HOME PATH "
    "DEVMODE UTF8 IOENCODING BREAKPOINT PYCACHEPREFIX NODEBUGRANGES NOUSERSITE"
)


@pytest.mark.parametrize("name", SWITCHES.split())
def test_no_switch_of_python_is_inherited(name):
    assert inherit_variables({f"PYTHON{name}": "1"}) == {}


def test_the_place_of_the_users_packages_is():
    assert inherit_variables({"PYTHONUSERBASE": "/home/alice/.packages"}) == {"PYTHONUSERBASE": "/home/alice/.packages"}


@pytest.mark.parametrize(
    "name", ["RANK", "WORLD_SIZE", "USE_TF", "HF_TOKEN", "HTTPS_PROXY", "COLUMNS", "TF_X", "PATHX"]
)
def test_what_is_not_known_is_not_inherited(name):
    assert inherit_variables({name: "1"}) == {}
    assert describe_ignored({name: "1"}) is None


NEEDED = (
    "PATH HOME USER LOGNAME TZ TMPDIR LANG LC_ALL XDG_CACHE_HOME LD_LIBRARY_PATH CPATH LIBRARY_PATH HF_HOME HF_HUB_CACHE "
    "CONDA_PREFIX VIRTUAL_ENV SLURM_JOB_ID SLURMD_NODENAME TRANSFORMERS_VERBOSITY ROCM_PATH"
)


@pytest.mark.parametrize("name", NEEDED.split())
def test_what_programs_need_to_find_their_files_is_inherited(name):
    assert inherit_variables({name: "/x"}) == {name: "/x"}
    assert describe_recorded({name: "/x"}) == ""


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("PATH", "bin:/usr/bin::.:{here}", "{here}/bin:/usr/bin:{here}"),
        ("LD_LIBRARY_PATH", "/opt/lib:", "/opt/lib"),
        ("TMPDIR", "bin", "{here}/bin"),
        ("HF_HOME", "./bin", "{here}/bin"),
        ("CUDA_HOME", "nowhere", "nowhere"),
        ("CXX", "bin", "bin"),
        ("CXX", "bin/tool", "{here}/bin/tool"),
        ("LD_PRELOAD", "libjemalloc.so ./bin/tool", "libjemalloc.so:{here}/bin/tool"),
        ("OMP_SCHEDULE", "2", "2"),
    ],
)
def test_a_place_does_not_depend_on_the_working_folder(tmp_path, monkeypatch, name, value, found):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").touch()
    monkeypatch.chdir(tmp_path)
    assert inherit_variables({name: value.format(here=tmp_path)}) == {name: found.format(here=tmp_path)}


@pytest.mark.parametrize(
    ("environment", "pinned", "path"),
    [
        ({}, False, ""),
        ({"PYTHONPATH": ""}, False, ""),
        ({"PYTHONPATH": "/mine:/yours"}, False, "/mine:/yours"),
        ({"PYTHONPATH": "/mine"}, True, ""),
    ],
)
def test_packages_are_those_of_the_python_that_runs_snakemake(environment, pinned, path):
    assert package_folders(environment, pinned) == path


@pytest.mark.parametrize(
    ("prefix", "may_be_removed"),
    [
        ("/p/.environments/torch-2.1.0123456789ab", True),
        ("/p/.snakemake/conda/0123_", True),
        ("/home/me/.venv", False),
        ("/usr", False),
    ],
)
def test_only_environments_that_the_workflow_has_built_may_be_removed(monkeypatch, prefix, may_be_removed):
    monkeypatch.setattr("sys.prefix", prefix)
    assert is_built() is may_be_removed
