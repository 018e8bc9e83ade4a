"""The commit of the code that measures."""

import subprocess


def code_revision(root):
    """The commit of the code that measures, with '-dirty' where files differ from it; None outside a checkout."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
