"""The commit of the code that measures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from diffbench.catalogue.sources import ROOT
from diffbench.system.environment_variables import inherit_variables

LIMIT_S = 20.0  # git may wait for a file system, or for a program in the user's configuration


def code_revision(root: str | Path = ROOT) -> str | None:
    """The commit of the project in the folder `root`, with '-dirty' if files differ from it; None if the folder is not a
    checkout itself, such as an archive that was unpacked inside another repository."""
    environment = {  # without GIT_DIR and the like
        **inherit_variables(os.environ),
        "GIT_CEILING_DIRECTORIES": str(Path(root).resolve().parent),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        result = subprocess.run(
            command,
            cwd=str(Path(root).resolve()),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
