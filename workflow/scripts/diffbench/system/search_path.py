"""In which order Python looks for modules; programs that measure import this first.

The folder of the programs comes first, which PYTHONSAFEPATH leaves out, then the standard library, then what PYTHONPATH names and
the installed packages. The working folder, which an empty entry of PYTHONPATH stands for, comes last: nothing there is taken for
a module that a program means. A warning of a library ends no program, whatever PYTHONWARNINGS says.
"""

import os
import sys

FOLDER = __file__.rsplit(os.sep, 3)[0]
LIBRARY = os.__file__.rpartition(os.sep)[0]
ARCHIVE = "{}python{}{}.zip".format(os.sep, *sys.version_info)


def working_folder():
    """The real path of the working folder; None if it was deleted."""
    try:
        return os.path.realpath("")
    except FileNotFoundError:
        return None


def rank(path):
    """The place of an entry of sys.path among the others."""
    if path == FOLDER:
        return 0
    if path in (LIBRARY, LIBRARY + os.sep + "lib-dynload") or path.endswith(ARCHIVE):
        return 1
    return 3 if os.path.realpath(path) == HERE else 2


HERE = working_folder()
sys.path.sort(key=rank)
LIBRARY_END = sum(rank(path) < 2 for path in sys.path)

if any(option.startswith("error") for option in sys.warnoptions):
    import warnings

    warnings.simplefilter("ignore")
