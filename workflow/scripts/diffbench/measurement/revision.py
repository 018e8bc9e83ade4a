"""The commit of the code that measures."""

import os
import subprocess
from pathlib import Path

from diffbench.catalogue.sources import ROOT
from diffbench.system.environment_variables import inherited

LIMIT_S = 20.0  # git may wait for a file system, or for whatever the user's configuration has it call


def code_revision(root=ROOT):
    """The commit of the project in the folder `root`, with '-dirty' where files differ from it; None where that is no checkout of
    its own, such as an archive that was unpacked inside another repository."""
    environment = {  # without GIT_DIR and the like
        **inherited(os.environ),
        "GIT_CEILING_DIRECTORIES": str(Path(root).resolve().parent),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    options = {"cwd": str(Path(root).resolve()), "env": environment, "stdin": subprocess.DEVNULL, "timeout": LIMIT_S}
    try:
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True, **options)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
