"""The folder of a program's temporary files: its own while it runs, gone after it, also after one that was killed."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile

import pytest

from conftest import ROOT
from diffbench.system.run_folder import name_start, remove_left, run_folder

USE = """
import time
from diffbench.system.run_folder import run_folder
with run_folder() as folder:
    (folder / "events.jsonl").touch()
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def other(temporary):
    """Another program that uses its folder, and the folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    process = subprocess.Popen([sys.executable, "-c", USE], env=environment, stdout=subprocess.PIPE, text=True)
    yield process, temporary / process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_is_deleted_at_the_end(temporary):
    with run_folder() as folder:
        (folder / "outputs").mkdir()
        (folder / "outputs/image.png").touch()
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_program_is_deleted_at_the_next_start_and_no_other(other, temporary):
    process, folder = other
    with run_folder() as own:
        assert own != folder and (folder / "events.jsonl").exists(), "it is in use"
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = [temporary / "diffbench-kept-abc", temporary / "diffbench-run-another.machine-abc"]
    for path in kept:
        path.mkdir()
    link, outside = temporary / f"{name_start()}link", temporary / "outside"
    outside.mkdir()
    link.symlink_to(outside)
    assert folder.exists()
    with run_folder():
        assert not folder.exists()
    assert sorted(temporary.iterdir()) == sorted([*kept, link, outside])


def test_a_folder_that_another_program_deletes_before_it_is_locked_is_made_again(temporary, monkeypatch):
    """Another program starts at the two worst moments: it finds a folder without a lock."""
    make, lock, deleted = tempfile.mkdtemp, fcntl.flock, []

    def make_and_lose(**options):
        folder = make(**options)
        if not deleted:
            deleted.append(folder)
            remove_left()
        return folder

    def lose_and_lock(descriptor, how):
        if len(deleted) == 1 and how == fcntl.LOCK_EX:
            deleted.extend(map(str, temporary.iterdir()))
            remove_left()
        return lock(descriptor, how)

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose)
    monkeypatch.setattr(fcntl, "flock", lose_and_lock)
    with run_folder() as folder:
        assert len(set(deleted)) == 2 and list(temporary.iterdir()) == [folder]


def test_a_program_that_fails_deletes_its_folder(temporary):
    with pytest.raises(ValueError), run_folder():
        raise ValueError
    assert list(temporary.iterdir()) == []
