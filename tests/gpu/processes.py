"""The processes that a session starts: one at a time, ended with all that they have started once the time is over."""

import os
import signal
import subprocess
import sys
import time

from wheels import SITE

from diffbench.catalogue.definition import ROOT
from diffbench.measurement.session import die_with_parent

STOP_S = 8  # from the request to end until it is enforced
POLL_S = 0.05


def start(command, environment, **options):
    """Start this Python from the project's root, with what was unpacked of the wheels; `options` are of subprocess.Popen."""
    path = os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # a session that is killed leaves nothing that holds the device
        **options,
    )


def wait(process, ends_s, meanwhile=None, look=None):
    """The exit code of a process; None if the time was over and it was stopped. `meanwhile()` is called once, `look(now_s)` again
    and again while it runs. Times are those of time.monotonic."""
    try:
        if meanwhile:
            meanwhile()
        while process.poll() is None:
            now_s = time.monotonic()
            if now_s > ends_s:
                stop(process)
                return None
            if look:
                look(now_s)
            time.sleep(POLL_S)
        return process.returncode
    except BaseException:
        stop(process)
        raise


def stop(process):
    """End a process and all that it has started: as Ctrl-C in a terminal does, and after some seconds by force."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
