"""The compilers that torch.compile needs: a small library is built and loaded in the folder of the compiler caches, before
anything is measured. `python -m diffbench.measurement.toolchain` checks this without torch."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.libraries.failure import FULL_DISK, decisive_line, remedy_in
from diffbench.system.compiler_caches import default_folder
from diffbench.system.environment_variables import with_english_messages
from diffbench.system.folders import CACHE_REMEDY, check_cache, check_quotable, reason_of
from diffbench.vocabulary.errors import SetupError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTALL = "apt install build-essential"
PROBE = """#include <Python.h>
#include <omp.h>
extern "C" int probe() { return omp_get_max_threads(); }
"""
NATIVE = ("x86_64", "AMD64", "aarch64", "arm64")  # where torch compiles with -march=native
BUILD_S = 120.0  # many times what a slow file system needs
VERSION_S = 10.0


def find_program(purpose: str, variable: str, names: Sequence[str]) -> str:
    """The path of the compiler that `variable` names, else of the first of `names`. Raises SetupError if there is none."""
    named = os.environ.get(variable)
    candidates = [named] if named else names
    found = next(filter(None, map(shutil.which, candidates)), None)
    if found:
        return found
    if named and any(map(shutil.which, names)):
        advice = f"unset {variable}, or set it to the path of one, without wrapper or options"
    else:
        other = shutil.which("clang++" if "+" in names[0] else "clang")
        advice = f"set {variable}={other}" if other else f"install one: {INSTALL}"
    raise SetupError(
        f"torch.compile needs {purpose}, and {' and '.join(map(repr, candidates))} cannot be found; {advice}"
    )


def find_compiler() -> str:
    """The C++ compiler that torch uses: $CXX, else g++, on macOS clang++."""
    return find_program("a C++ compiler", "CXX", ["clang++" if sys.platform == "darwin" else "g++"])


def compiler_version() -> str | None:
    """The first line of `--version` of the C++ compiler that torch uses, such as `g++ (Debian 12.2.0-14) 12.2.0`; None if
    it prints none. Raises SetupError if there is no compiler."""
    try:
        result = subprocess.run(
            [find_compiler(), "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=VERSION_S,
            env=with_english_messages(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = result.stdout.decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[0], 100).replace(";", ",") if lines and not result.returncode else None


def find_c_compiler() -> str:
    """The C compiler that Triton uses: $CC, else gcc, else clang."""
    return find_program("a C compiler for Triton", "CC", ["gcc", "clang"])


def headers_folder() -> Path:
    """The folder of Python's headers. Raises SetupError if they are missing."""
    headers = Path(sysconfig.get_paths()["include"])
    if not (headers / "Python.h").is_file():
        raise SetupError(
            f"torch.compile needs Python's headers, and {headers / 'Python.h'} is missing; install them: "
            "apt install python3-dev"
        )
    return headers


def torch_libraries() -> Path | None:
    """torch's library folder, found without importing torch; None if torch is not installed."""
    found = importlib.util.find_spec("torch")
    folder = Path(found.origin).parent / "lib" if found and found.origin else None
    return folder if folder and folder.is_dir() else None


def build(command: Sequence[str], folder: str | Path) -> None:
    """Run a compiler. Raises SetupError with the line of its message that names the error."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_S,
            cwd=folder,
            env=with_english_messages(os.environ),
        )
    except subprocess.TimeoutExpired:
        raise SetupError(
            f"{command[0]}: found no library after {BUILD_S:g} s; look at the file system of {folder}"
        ) from None
    except OSError as error:
        raise SetupError(f"{command[0]}: cannot be run: {reason_of(error)}; {INSTALL}") from None
    if result.returncode:
        said = result.stdout.decode("utf-8", "replace")
        reason = one_line(decisive_line(said) or said or "no message", 160)
        advice = CACHE_REMEDY if FULL_DISK.search(said) else remedy_in(said) or INSTALL
        raise SetupError(f"{command[0]} cannot build a C++ library with OpenMP: {reason}; {advice}")


def check_library(compiler: str, folder: Path) -> None:
    """Build a small library in the folder of the compiler caches, and load it. Raises SetupError."""
    headers, libraries = headers_folder(), torch_libraries()
    check_quotable(folder, CACHE_REMEDY)
    check_quotable(tempfile.gettempdir(), "set TMPDIR to another folder")
    check_quotable(compiler, "set CXX to another")
    options = ["-std=c++17", "-shared", "-fPIC", "-fopenmp", f"-I{headers}"]
    options += ["-march=native"] if platform.machine() in NATIVE and sys.platform == "linux" else []
    if libraries:
        check_quotable(libraries, "install torch in another folder")
        # found by the linker, but not needed to load the library here
        options += ["-Wl,--as-needed"] if sys.platform == "linux" else []
        options += [f"-L{libraries}", "-lc10"]
    with tempfile.TemporaryDirectory(prefix="trial-", dir=folder) as trial:
        source, library = Path(trial) / "probe.cpp", Path(trial) / "probe.so"
        source.write_text(PROBE, encoding="utf-8")
        build([compiler, str(source), *options, "-o", str(library)], trial)
        try:
            ctypes.CDLL(str(library)).probe()
        except OSError as error:
            raise SetupError(
                f"{folder}: libraries that are compiled there cannot be loaded: {describe_load(error, trial)}; {CACHE_REMEDY}"
            ) from None


def describe_load(error: OSError, trial: str) -> str:
    """Why a library could not be loaded, without the path of the temporary folder."""
    text = str(error).replace(f"{trial}{os.sep}", "")
    if "failed to map segment" in text or "Operation not permitted" in text:
        return "the file system does not allow to run its files (noexec)"
    return one_line(text, 120)


def check_toolchain(folder: str | Path | None = None, is_cuda: bool = False) -> None:
    """Raises SetupError, with advice, if a compiled variant could not be built and loaded in the folder of the compiler
    caches; `is_cuda`: on a GPU."""
    folder = Path(folder or default_folder()).absolute()
    check_cache(folder)
    compiler = find_compiler()
    check_library(compiler, folder)
    if is_cuda:
        find_c_compiler()


if __name__ == "__main__":
    try:
        check_toolchain()
    except (SetupError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
