"""How a measuring process died, in a row or as an error of the set-up."""

import signal

import pytest

from diffbench.measurement.process_death import FAULT, add_stuck, check_begun, describe_death, kernel_oom_kills
from diffbench.vocabulary.errors import SetupError


@pytest.mark.parametrize(
    ("returncode", "oom_kills", "status", "detail"),
    [
        (-9, 1, "oom", "killed by the kernel: the machine or its control group ran out of host memory"),
        (-9, 0, "crashed", "killed by signal 9 (SIGKILL)"),
        (-11, 1, "crashed", "killed by signal 11 (SIGSEGV)"),
        (
            -7,
            0,
            FAULT,
            "killed by signal 7 (SIGBUS); a file in memory cannot be read or written: look for a full /dev/shm, "
            "and at `dmesg`",
        ),
        (-15, 0, FAULT, "killed by signal 15 (SIGTERM); somebody stopped it: start it again"),
        (-24, 0, FAULT, "killed by signal 24 (SIGXCPU); raise `ulimit -t`"),
        *(
            (-number, 0, FAULT, f"killed by signal {number:d} ({number.name}); somebody stopped it: start it again")
            for number in (getattr(signal, f"SIG{name}") for name in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "PIPE"])
        ),
        (
            74,
            0,
            FAULT,
            "it could not write what it measured; make room in the folder for temporary files, or set TMPDIR",
        ),
        (-40, 0, "crashed", "killed by signal 40 (a real-time signal)"),
        (1, 1, "crashed", "the measuring process ended with exit code 1 before its work was done"),
        (3, 0, "crashed", "the measuring process ended with exit code 3 before its work was done"),
    ],
)
def test_how_a_child_ended(returncode, oom_kills, status, detail):
    assert describe_death(returncode, oom_kills) == (status, detail)


def test_processes_that_could_not_be_killed_are_added_to_the_detail():
    assert add_stuck("stopped", None) == "stopped"
    assert add_stuck("stopped", "process 7 lives") == "stopped; process 7 lives"


def test_the_kernels_kills_are_those_of_the_machine_and_of_this_control_group(files):
    group = {"/proc/self/cgroup": "0::/job\n", "/sys/fs/cgroup/job/memory.events": "oom_kill 2\n"}
    files.update(group)
    assert kernel_oom_kills() == 2, "the machine's are not known"
    files.clear()
    assert kernel_oom_kills() == 0
    files["/proc/vmstat"] = "oom_kill_other 9\noom_kill 3\npgfault 8\n"
    assert kernel_oom_kills() == 3
    files["/sys/fs/cgroup/job/step/memory.events"] = "oom 7\noom_kill 2\noom_group_kill 1\n"
    assert kernel_oom_kills() == 3, "not known to be its group"
    files["/proc/self/cgroup"] = "1:cpu:/other\n0::/job/step\n"
    assert kernel_oom_kills() == 5


CRASH = ("crashed", "the measuring process ended with exit code 1 before its work was done")


LOADING = [{"event": "provenance", "stage": None}, {"event": "phase", "phase": "load", "stage": 1}]


CHECKING = [*LOADING, {"event": "phase", "phase": "evidence", "stage": 1}]


@pytest.mark.parametrize(
    ("death", "said", "message"),
    [
        (
            CRASH,
            "Traceback\nImportError: libcudnn.so.9: x\n\n",
            f"{CRASH[1]}: ImportError: libcudnn.so.9: x; see the log",
        ),
        (
            ("crashed", "killed by signal 9 (SIGKILL)"),
            "",
            r"killed by signal 9 \(SIGKILL\); see the log, and start it again",
        ),
        (None, "bye", "a library ended the measuring process with exit code 0: bye; see the log, and start it again"),
        (
            ("timeout", "stopped at the time limit of 1 s"),
            "noise",
            "stopped at the time limit of 1 s; raise the time limit",
        ),
        (
            ("oom", "stopped above the memory limit"),
            "noise",
            "stopped above the memory limit; raise the memory limit, or use",
        ),
    ],
)
@pytest.mark.parametrize("events", [[], LOADING[:1]])
def test_a_process_that_ended_while_it_imported_is_a_failed_setup(tmp_path, death, said, message, events):
    (tmp_path / "log").write_text("of before\n" + said)
    with pytest.raises(SetupError, match=f"^measuring cannot start here: {message}"):
        check_begun(events, death, tmp_path / "log", len("of before\n"))


def test_what_ended_after_that_is_a_row_unless_it_is_no_outcome_of_the_cell(tmp_path):
    stopped = (FAULT, "killed by signal 15 (SIGTERM); start it again")
    assert check_begun(LOADING, None, tmp_path / "log", 0) is None
    assert check_begun(LOADING, CRASH, tmp_path / "log", 0) == CRASH
    assert check_begun(CHECKING, stopped, tmp_path / "log", 0) == ("crashed", stopped[1]), "its numbers stand"
    with pytest.raises(
        SetupError, match=r"^the measuring process ended in phase load: killed by signal 15 \(SIGTERM\); st"
    ):
        check_begun(LOADING, stopped, tmp_path / "log", 0)
