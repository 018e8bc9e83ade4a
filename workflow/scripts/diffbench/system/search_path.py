"""The order in which Python searches for modules; the measuring programs import this first.

The folder of the programs comes first, which PYTHONSAFEPATH would leave out. Then come the standard library, the folders of
PYTHONPATH and the installed packages. The working folder (an empty entry of PYTHONPATH) comes last, so that its files never
hide a module that a program imports. A library's warning never ends a program, whatever PYTHONWARNINGS says.
"""

import os
import sys

FOLDER = __file__.rsplit(os.sep, 3)[0]
STANDARD_LIBRARY = os.__file__.rpartition(os.sep)[0]
STANDARD_ARCHIVE = "{}python{}{}.zip".format(os.sep, *sys.version_info)


def working_folder() -> "str | None":
    """The real path of the working folder; None if it was deleted."""
    try:
        return os.path.realpath("")
    except FileNotFoundError:
        return None


def rank(path: str) -> int:
    """The rank of an entry of sys.path among the others."""
    if path == FOLDER:
        return 0
    if path in (STANDARD_LIBRARY, STANDARD_LIBRARY + os.sep + "lib-dynload") or path.endswith(STANDARD_ARCHIVE):
        return 1
    return 3 if os.path.realpath(path) == WORKING_FOLDER else 2


WORKING_FOLDER = working_folder()
sys.path.sort(key=rank)
STANDARD_LIBRARY_END = sum(rank(path) < 2 for path in sys.path)

if any(option.startswith("error") for option in sys.warnoptions):
    import warnings

    warnings.simplefilter("ignore")
