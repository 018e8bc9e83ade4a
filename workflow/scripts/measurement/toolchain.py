"""The C++ compiler and the Python headers that torch.compile needs: checked before, told with the package to install."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from .errors import SetupError


def find_compiler():
    """The C++ compiler that inductor would take: $CXX, else g++, else clang++."""
    named = os.environ.get("CXX")
    candidates = [named] if named else ["g++", "clang++"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            return found
    raise SetupError(
        f"torch.compile needs a C++ compiler, and {' and '.join(candidates)} cannot be found; install one: "
        "apt install build-essential"
    )


def check_toolchain():
    """Raises SetupError, naming the package to install, where a compiled variant could not be built."""
    compiler = find_compiler()
    headers = Path(sysconfig.get_paths()["include"])
    if not (headers / "Python.h").is_file():
        raise SetupError(
            f"torch.compile needs Python's headers, and {headers / 'Python.h'} is missing; install them: "
            "apt install python3-dev"
        )
    probe = "#include <Python.h>\n#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n"
    command = [compiler, "-x", "c++", "-fopenmp", "-fsyntax-only", f"-I{headers}", "-"]
    result = subprocess.run(command, input=probe, capture_output=True, text=True)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no message"])[0]
        raise SetupError(f"{compiler} cannot compile a C++ program with OpenMP: {reason}; apt install build-essential")


if __name__ == "__main__":
    try:
        check_toolchain()
    except SetupError as error:
        raise SystemExit(f"error: {error}") from None
