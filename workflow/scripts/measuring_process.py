"""Starts the process that measures: `measuring_process.py SPEC`. With `--serve`, the one it is forked from (forkserver.py).

It is a script because `python -m` would look for modules in the working folder before the standard library.
"""

import os
import sys

sys.path.insert(0, __file__.rpartition(os.sep)[0])

from diffbench.system import search_path
from diffbench.system.environment_variables import PACKAGES

NAMED = filter(None, os.environ.get(PACKAGES, "").split(os.pathsep))
sys.path[search_path.STANDARD_LIBRARY_END : search_path.STANDARD_LIBRARY_END] = NAMED

if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        from diffbench.measurement import forkserver

        forkserver.main(*sys.argv[2:])
    else:
        from diffbench.measurement.process import run
        from diffbench.measurement.session import SPAWN

        run(sys.argv[1], SPAWN)
