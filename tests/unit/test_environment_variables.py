"""What a measuring process inherits: nothing that changes a variant, and what can change numbers is in the row."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diffbench.measurement.child_environment import child_environment
from diffbench.system.environment_variables import (
    PACKAGES,
    check_refused,
    describe_ignored,
    describe_recorded,
    package_folders,
)
from diffbench.vocabulary.errors import SetupError
from running import measure, rows_of

CHANGE_A_VARIANT = [
    "DIFFUSERS_ATTN_BACKEND",
    "DIFFUSERS_ATTN_CHECKS",
    "TORCHINDUCTOR_MAX_AUTOTUNE",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES",
    "TORCHINDUCTOR_FX_GRAPH_CACHE",
    "TORCHDYNAMO_DISABLE",
    "TORCH_COMPILE_DISABLE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_LOGS",
    "PYTORCH_TUNABLEOP_ENABLED",
    "PYTORCH_ENABLE_MPS_FALLBACK",
    "NVIDIA_TF32_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDNN_LOGLEVEL_DBG",
    "TRITON_INTERPRET",
    "TRITON_ALWAYS_COMPILE",
    "XFORMERS_DISABLED",
    "FLASH_ATTENTION_SKIP_CUDA_BUILD",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "MIOPEN_FIND_MODE",
    "TORCHAO_AUTOTUNER_ENABLE",
    "BNB_CUDA_VERSION",
]
OF_THE_MACHINE = [
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "CUDA_MODULE_LOADING",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "OMP_PROC_BIND",
    "KMP_AFFINITY",
    "GOMP_CPU_AFFINITY",
    "MALLOC_CONF",
    "NCCL_DEBUG",
    "GLIBC_TUNABLES",
    "HSA_OVERRIDE_GFX_VERSION",
]
PLACES = {
    "CUDA_HOME": "/usr/local/cuda",
    "TORCH_HOME": "/data",
    "CUDA_VISIBLE_DEVICES": "1",
    "CUDA_VERSION": "12.8.1",
    "PYTORCH_VERSION": "2.9.0",
    "TORCH_CUDA_ARCH_LIST": "9.0",
    "NVIDIA_VISIBLE_DEVICES": "all",
    "CUDA_INC": "/home/alice/cuda/include",
    "NVIDIA_PASSWD": "hunter2",
    "NVIDIA_NGC_AUTH": "hunter2",
    "NVIDIA_USER": "alice",
    "NCCL_COMM_ID": "192.0.2.1:1",
}


def child(monkeypatch, set_here, threads=3, **options):
    """The environment of a measuring process, and the line about what it does not get, where these variables are set."""
    with monkeypatch.context() as patch:
        for name, value in set_here.items():
            patch.setenv(name, value)
        return child_environment(Path("/cache"), "cuda", threads, **options), describe_ignored(os.environ)


@pytest.mark.parametrize("name", CHANGE_A_VARIANT)
def test_what_changes_a_variant_is_never_inherited_and_named(monkeypatch, name):
    environment, line = child(monkeypatch, {name: "1"})
    assert name not in environment
    assert name in line


@pytest.mark.parametrize("name", OF_THE_MACHINE)
def test_what_sets_the_machine_up_is_kept_and_recorded(monkeypatch, name):
    environment, line = child(monkeypatch, {name: "x:y"})
    assert environment[name] == "x:y"
    assert f"{name}=x:y" in describe_recorded(environment).split("; ")
    assert line is None


@pytest.mark.parametrize("name", PLACES)
def test_places_releases_names_and_secrets_are_kept_and_not_recorded(monkeypatch, name):
    environment, line = child(monkeypatch, {name: PLACES[name]})
    assert environment[name] == PLACES[name]
    assert name not in describe_recorded(environment)
    assert line is None


def test_nothing_private_and_nothing_long_is_recorded():
    environment = {
        "NCCL_AUTH_TOKEN": "hunter2",
        "HF_TOKEN": "hunter2",
        "LD_PRELOAD": "/home/alice/lib/libjemalloc.so.2:/opt/libtcmalloc.so",
        "MALLOC_CONF": "a\nb" * 200,
        "OMP_NUM_THREADS": "2",
        "CUDA_CACHE_AT": "/home/alice/cache; more",
    }
    text = describe_recorded(environment)
    assert "hunter2" not in text and "alice" not in text and "\n" not in text
    assert text.startswith("CUDA_CACHE_AT=cache, more; LD_PRELOAD=libjemalloc.so.2:libtcmalloc.so; MALLOC_CONF=a b")
    assert text.endswith("; OMP_NUM_THREADS=2")
    assert len(text) < 340


def test_the_number_of_threads_is_the_runs_own_whatever_the_user_has_set(monkeypatch):
    others = {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "7", "OMP_THREAD_LIMIT": "1", "GOTO_NUM_THREADS": "7"}
    environment, _ = child(monkeypatch, others)
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"
    assert "OMP_THREAD_LIMIT" not in environment and "GOTO_NUM_THREADS" not in environment


ENCODED = "import sys; print(sys.getfilesystemencoding())"


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C.utf8", "LC_CTYPE": "C"}, {"LANG": "C.utf8"}])
def test_messages_are_in_english_and_paths_keep_their_encoding(monkeypatch, locale):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    environment, _ = child(monkeypatch, {**locale, "LANGUAGE": "de", "LC_MESSAGES": "de_DE.UTF-8"})
    assert environment["LC_MESSAGES"] == "C" and not {"LC_ALL", "LANGUAGE"} & set(environment)
    assert environment.get("LC_CTYPE") == locale.get("LC_ALL")
    command = [sys.executable, "-c", ENCODED]
    own, users = (subprocess.check_output(command, env=env) for env in (environment, dict(os.environ)))
    assert own == users


def test_pythons_own_switches_are_not_inherited(monkeypatch):
    switches = ("PYTHONSAFEPATH", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONMALLOC", "PYTHONDEVMODE")
    environment, _ = child(monkeypatch, dict.fromkeys(switches, "1"))
    ours = {name: value for name, value in environment.items() if name.startswith("PYTHON")}
    assert ours.pop("PYTHONNOUSERSITE", "1") == "1" and ours == {"PYTHONIOENCODING": "utf-8:backslashreplace"}


def test_a_pinned_environment_takes_nothing_of_the_users_own_packages(monkeypatch):
    own = {"PYTHONPATH": "/home/alice/packages"}
    environment, _ = child(monkeypatch, own, torch="2.8")
    assert environment[PACKAGES] == ""
    assert environment["PYTHONNOUSERSITE"] == "1"
    environment, _ = child(monkeypatch, own)
    assert environment[PACKAGES] == "/home/alice/packages", "the installed Python has them"
    monkeypatch.setattr("site.ENABLE_USER_SITE", True)
    environment, _ = child(monkeypatch, own)
    assert "PYTHONNOUSERSITE" not in environment


def test_the_working_folder_is_never_on_the_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = os.pathsep.join(["", ".", str(tmp_path), "/other", "mine"])
    assert package_folders({"PYTHONPATH": named}, pinned=False) == os.pathsep.join(["/other", str(tmp_path / "mine")])


@pytest.mark.parametrize(
    "name", ["CUDA_LAUNCH_BLOCKING", "PYTORCH_NO_CUDA_MEMORY_CACHING", "HIP_LAUNCH_BLOCKING", "AMD_SERIALIZE_KERNEL"]
)
def test_debugging_modes_are_refused(name):
    with pytest.raises(SetupError, match=f"{name}=1: .*; unset it"):
        check_refused({name: "1"})
    check_refused({name: "0"})
    check_refused({name: ""})


def test_torch_asks_only_whether_this_variable_is_there(monkeypatch):
    environment, _ = child(monkeypatch, {"PYTORCH_NO_CUDA_MEMORY_CACHING": "0"})
    assert "PYTORCH_NO_CUDA_MEMORY_CACHING" not in environment


def test_a_debugging_mode_stops_a_run_in_one_line(tmp_path):
    result = measure(tmp_path / "out", environment={"CUDA_LAUNCH_BLOCKING": "1"})
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: CUDA_LAUNCH_BLOCKING=1: the host waits for every kernel, so that no rate would be the variant's; unset it"
    ]
    assert not (tmp_path / "out").exists()


def test_neither_the_users_folder_nor_variables_change_what_is_measured(tmp_path, monkeypatch):
    """A real run of attention by Diffusers' dispatcher, in a folder whose modules have names of Python's own."""
    for name in ("profile", "copy", "yaml", "torch"):
        (tmp_path / f"{name}.py").write_text("import os\nos._exit(3)\n")
    monkeypatch.chdir(tmp_path)
    hostile = {
        "DIFFUSERS_ATTN_BACKEND": "_native_math",
        "PYTHONSAFEPATH": "1",
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": os.pathsep.join(filter(None, [".", os.environ.get("PYTHONPATH")])),
        "OMP_NUM_THREADS": "7",
        "MALLOC_ARENA_MAX": "4",
    }
    few = ["--warmup-calls", 1, "--max-warmup-calls", 1, "--calls", 1, "--max-calls", 1, "--threads", 1]
    result = measure(tmp_path / "out", *few, pipeline="flux.1-schnell", environment=hostile)
    assert result.returncode == 0, result.stderr
    assert "ignored: DIFFUSERS_ATTN_BACKEND: the variant says what is measured" in result.stderr
    (row,) = rows_of(tmp_path / "out")
    assert (row["status"], row["threads"]) == ("ok", "1"), row["detail"]
    assert "flash" in row["evidence"] + row["attention_kernels"] and "math" not in row["evidence"]
    variables = row["environment_variables"].split("; ")
    assert {"MALLOC_ARENA_MAX=4", "OMP_NUM_THREADS=1"} <= set(variables)
    assert not [variable for variable in variables if variable.startswith(("DIFFUSERS", "PYTHON"))]
