"""The commit in a row is the project's own, whatever repository it is in and whatever variables say to git."""

import os
import shutil
import subprocess

import pytest

from diffbench.measurement import revision
from diffbench.measurement.revision import code_revision

OWNER = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]


def git(folder, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *OWNER, *arguments]
    return subprocess.run(command, cwd=folder, env=clean, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder, text="text\n"):
    """A repository with one commit. Returns that."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "file").write_text(text)
    git(folder, "add", "file")
    git(folder, "commit", "-qm", "first")
    return git(folder, "rev-parse", "HEAD")[:12]


def test_it_is_the_commit_and_says_whether_files_differ(tmp_path):
    commit = repository(tmp_path / "project")
    git(tmp_path / "project", "tag", "v1")
    assert code_revision(tmp_path / "project") == commit
    (tmp_path / "project/file").write_text("other\n")
    assert code_revision(tmp_path / "project") == f"{commit}-dirty"


@pytest.mark.parametrize("inside", ["project", "vendor/project"])
def test_an_archive_inside_another_repository_has_none(tmp_path, inside):
    repository(tmp_path / "other")
    (tmp_path / "other" / inside).mkdir(parents=True)
    assert code_revision(tmp_path / "other" / inside) is None
    (tmp_path / "link").symlink_to(tmp_path / "other" / inside)
    assert code_revision(tmp_path / "link") is None
    assert code_revision(tmp_path / "nowhere") is None


def test_a_checkout_inside_another_repository_has_its_own(tmp_path):
    repository(tmp_path / "other")
    commit = repository(tmp_path / "other/project", "another\n")
    assert code_revision(tmp_path / "other/project") == commit


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_CONFIG_GLOBAL"]
)
def test_variables_of_git_change_nothing(tmp_path, monkeypatch, name):
    commit = repository(tmp_path / "project")
    repository(tmp_path / "other", "another\n")
    monkeypatch.setenv(name, str(tmp_path / "other/.git"))
    assert code_revision(tmp_path / "project") == commit


@pytest.mark.parametrize(
    "program",
    [
        "#!/bin/sh\nexit 128\n",
        "#!/bin/sh\nsleep 60 & wait\n",
        "#!/bin/sh\nread answer; echo $answer; exit 1\n",
        "no program",
    ],
    ids=["refuses", "hangs", "asks", "broken"],
)
def test_a_git_that_fails_leaves_it_empty(tmp_path, monkeypatch, program):
    repository(tmp_path / "project")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(revision, "LIMIT_S", 0.5)
    assert code_revision(tmp_path / "project") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_revision(tmp_path / "project") is None, "no git"


def test_a_program_of_that_name_in_the_working_folder_is_not_run(tmp_path, monkeypatch):
    commit = repository(tmp_path / "project")
    (tmp_path / "git").write_text("#!/bin/sh\necho planted\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("git") == "./git"
    assert code_revision(tmp_path / "project") == commit
