"""Starts the process that measures: `measuring_process.py SPEC`.

A script and not `python -m measurement`, which would look for modules in the working folder first, before the standard library.
"""

import runpy

if __name__ == "__main__":
    runpy.run_module("measurement", run_name="__main__", alter_sys=True)
