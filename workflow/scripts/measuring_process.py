"""Starts the process that measures: `measuring_process.py SPEC`, or the one that such are forked from: `--serve` (forkserver.py).

A script and not `python -m measurement`, which would look for modules in the working folder first, before the standard library.
"""

import runpy
import sys

if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        from measurement import forkserver

        forkserver.main(*sys.argv[2:])
    else:
        runpy.run_module("measurement", run_name="__main__", alter_sys=True)
