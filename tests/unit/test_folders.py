"""The folders of a measurement are checked before it, and one line says which one is at fault and what to do."""

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from diffbench.system import folders
from diffbench.system.folders import (
    check_cache,
    check_file,
    check_output,
    check_quotable,
    check_temporary,
    reason_of,
    remedy_of,
)
from diffbench.vocabulary.errors import SetupError
from mounts import mounted


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("path", ["out", "a/b/out", "here/out", "here"])
def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path, path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/run.csv").write_text("old")
    before = tree(tmp_path)
    check_output(tmp_path / path, ["calls.csv", "run.csv"], ["outputs"])
    assert tree(tmp_path) == before
    assert (tmp_path / "here/run.csv").read_text() == "old"


def test_runs_that_start_at_the_same_time_do_not_disturb_each_other(tmp_path):
    with ThreadPoolExecutor() as pool:
        checks = [pool.submit(check_output, tmp_path / f"a/b/{number}", ["run.csv"]) for number in range(100)]
    assert [check.result() for check in checks] == [None] * 100
    assert tree(tmp_path) == []


def test_a_relative_folder_is_one_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output(folders.Path("o/p"), ["run.csv"])
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("file", "file: cannot be written: Not a directory; name another"),
        ("file/below", "file/below: cannot be written: Not a directory; name another"),
        ("dangling", "dangling: cannot be written: .*"),
        ("x" * 300, ".*x…: cannot be written: File name too long; name one with a shorter path"),
        ("deep/" * 900, ".*…: cannot be written: File name too long; name one with a shorter path"),
        ("taken", "taken/run.csv: found a folder, expected a file or nothing; name another --output"),
        ("odd", "odd/outputs: cannot be replaced: it is no folder that you can write; delete it"),
    ],
)
def test_an_output_folder_that_cannot_be_used_is_refused_and_left_as_it_was(tmp_path, path, message):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere/at/all")
    (tmp_path / "taken/run.csv").mkdir(parents=True)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/outputs").touch()
    before = tree(tmp_path)
    with pytest.raises(SetupError, match=f"{message}$") as caught:
        check_output(tmp_path / path, ["calls.csv", "run.csv"], ["outputs"])
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == before


def test_a_read_only_file_system_and_a_full_one_are_refused(tmp_path):
    with mounted(tmp_path / "small", "size=4k") as small, pytest.raises(SetupError) as caught:
        check_output(small / "out", ["run.csv"])
    assert str(caught.value).startswith(f"{small}") and "; make room" in str(caught.value)
    with mounted(tmp_path / "full", "size=8m") as full:
        with pytest.raises(
            SetupError, match="found 8 MiB free, expected 64 MiB or more; make room, or name another --output$"
        ):
            check_output(full, ["run.csv"])
        with pytest.raises(
            SetupError, match="found 8 MiB free, .*; make room, or set DIFFBENCH_CACHE or --cache-folder"
        ):
            check_cache(full / "cache")
    with mounted(tmp_path / "few", "size=100m,nr_inodes=500") as few:
        expected = r"room for 4\d\d more files \(inodes\), expected 1000; delete some, or name another --output"
        with pytest.raises(SetupError, match=expected):
            check_output(few, ["run.csv"])
        assert not list(few.iterdir())
    with mounted(tmp_path / "fixed", "size=100m,ro") as fixed:
        with pytest.raises(
            SetupError, match="fixed: cannot be written: Read-only file system; name a folder that you can"
        ):
            check_output(fixed, ["run.csv"])
        with pytest.raises(SetupError, match="cache: cannot be written: Read-only file system; set DIFFBENCH_CACHE or"):
            check_cache(fixed / "cache")
        with pytest.raises(
            SetupError, match="log: cannot be written: Read-only file system; name a folder that you can"
        ):
            check_file(fixed / "log")


def test_a_folder_that_the_user_may_not_write_is_refused(tmp_path, monkeypatch):
    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(
        SetupError, match="out: cannot be written: Permission denied; name a folder that you can write, or"
    ):
        check_output(tmp_path / "out", ["run.csv"])
    with pytest.raises(
        SetupError, match="cache: cannot be written: Permission denied; set DIFFBENCH_CACHE or --cache-fol"
    ):
        check_cache(tmp_path / "cache")


def test_a_file_system_that_does_not_say_how_full_it_is_is_used(tmp_path, monkeypatch):
    silent = SimpleNamespace(f_blocks=0, f_bavail=0, f_frsize=4096, f_files=0, f_favail=0)
    monkeypatch.setattr(folders.os, "statvfs", lambda folder: silent)
    check_output(tmp_path, ["run.csv"])


def test_a_file_to_write_keeps_what_it_has_and_is_not_made(tmp_path):
    (tmp_path / "log").write_text("before\n")
    check_file(tmp_path / "log")
    check_file(tmp_path / "new")
    check_file(None)
    assert tree(tmp_path) == ["log"] and (tmp_path / "log").read_text() == "before\n"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "cannot be written: Is a directory; name another"),
        ("none/log", "none/log: cannot be written: No such file or directory; make the folder, or correct the path"),
        ("file/log", "file/log: cannot be written: Not a directory; name another"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path, path, message):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=message):
        check_file(tmp_path / path)


def test_without_a_folder_for_temporary_files_there_is_one_line(monkeypatch):
    def find():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']")

    monkeypatch.setattr(folders.tempfile, "gettempdir", find)
    with pytest.raises(
        SetupError, match="No usable temporary directory found .*; make room in one, or set TMPDIR to ano"
    ):
        check_temporary()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.EAGAIN])
def test_the_reason_of_a_copy_that_failed_is_that_of_its_first_file(number):
    error = OSError(number, os.strerror(number), "/from/image.png")
    listed = shutil.Error([("/from/image.png", "/to/image.png", str(error)), ("/from/b", "/to/b", "other")])
    for found in (error, listed, shutil.Error(listed.args[0])):
        assert reason_of(found) == os.strerror(number)
        assert remedy_of(found) != "correct the path"
    assert reason_of(shutil.Error("odd")) == "odd" and remedy_of(shutil.Error("odd")) == "correct the path"


@pytest.mark.parametrize("name", ["a b", "a\tb", "a\nb", 'a"b', "a'b", "a\\b", os.fsdecode(b"a\xffb")])
def test_a_path_that_torch_cannot_put_into_a_command_is_refused(name):
    with pytest.raises(SetupError, match="torch.compile cannot use a path with .*; name another") as caught:
        check_quotable(f"/x/{name}", "name another")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["a:b", "a$b", "a%b", "a;b", "a&b", "a(b)", "a[b]", "a*b", "a#b", "~a", "a`b", "\u00e9", "a{b}"]
)
def test_a_path_that_torch_can_put_into_a_command_is_used(name):
    check_quotable(f"/x/{name}", "name another")
