"""What is printed where nobody can take it: a pipe whose reader has left, a full disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from diffbench.system.printing import print_anywhere
print_anywhere()
print("x" * 100000, file=getattr(sys, sys.argv[2]))
getattr(sys, sys.argv[2]).flush()
print("done", file=sys.stdout if sys.argv[2] == "stderr" else sys.stderr)
"""
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


def print_to(name, file):
    """(exit code, text of the other stream) of a program that prints much to a stream that is this file."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, name: file}
    command = [sys.executable, "-c", PROGRAM, str(ROOT / "workflow/scripts"), name]
    result = subprocess.run(command, text=True, encoding="utf-8", **streams)
    return result.returncode, result.stderr if name == "stdout" else result.stdout


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_reader_that_has_left_stops_nothing(name):
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    with reader.stdin:
        assert print_to(name, reader.stdin) == (0, "done\n")


@needs_full
def test_messages_that_find_no_room_stop_nothing():
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert print_to("stderr", full) == (0, "done\n")


@needs_full
def test_results_that_find_no_room_are_an_error_that_names_stdout():
    with open("/dev/full", "w", encoding="utf-8") as full:
        code, text = print_to("stdout", full)
    assert code == 1
    assert text.rstrip().endswith("No space left on device: 'stdout'")
