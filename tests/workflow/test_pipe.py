"""Starting Snakemake with its messages in a pipe whose reader leaves early, as `head -1` does."""

import subprocess
import sys


def test_a_reader_of_the_messages_that_leaves_stops_nothing(project):
    target = "results/pytorch2/tables.md"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", target]
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        process.stderr.readline()
        process.stderr.close()
    assert process.returncode == 0
    assert (project.folder / target).is_file()
