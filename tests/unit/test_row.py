"""Files appear whole or not at all, whatever happens while they are written."""

import errno
import os
import zipfile

import pytest

import bundle
from measurement import row
from measurement.errors import SetupError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Packs an archive of one file with this text; returns its path."""

    def pack(text):
        monkeypatch.setattr(bundle, "collect", lambda params: ({"about.yaml": text}, "1 of 1 runs"))
        params = type("Params", (), {"archive": str(tmp_path / "mine.zip")})
        bundle.main(type("Snakemake", (), {"params": params}))
        return tmp_path / "mine.zip"

    return pack


def fail(*arguments, **keys):
    raise FULL


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_archive_that_cannot_be_written_leaves_the_old_one_as_it_is(archive, step, monkeypatch):
    path = archive("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(SetupError, match="mine.zip: cannot be written: No space left on device"):
        archive("new")
    assert list(path.parent.iterdir()) == [path]
    with zipfile.ZipFile(path) as file:
        assert file.read("mine/about.yaml") == b"old"


@pytest.mark.parametrize("content", ["caf\u00e9\n", b"\x00\xff"])
def test_a_file_is_never_seen_half_written(tmp_path, content, monkeypatch):
    path, seen, replace = tmp_path / "file", [], os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: seen.append(path.exists()) or replace(*paths))
    row.write_whole(path, content)
    assert seen == [False]
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)


def test_a_folder_that_cannot_be_copied_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/image.png").write_bytes(b"new")
    (tmp_path / "target").mkdir()
    (tmp_path / "target/image.png").write_bytes(b"old")
    monkeypatch.setattr(row.shutil, "copytree", lambda source, target: (target.mkdir(), fail()))
    with pytest.raises(SetupError, match="target: cannot be written: No space left"):
        row.copy_folder(tmp_path / "source", tmp_path / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]
    assert (tmp_path / "target/image.png").read_bytes() == b"old"


def test_a_copied_folder_takes_the_place_of_what_was_there(tmp_path):
    (tmp_path / "source/deep").mkdir(parents=True)
    (tmp_path / "source/deep/image.png").write_bytes(b"new")
    for _ in range(2):  # where nothing is, and in the place of another
        row.copy_folder(tmp_path / "source", tmp_path / "target")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]
        assert [path.name for path in (tmp_path / "target").rglob("*")] == ["deep", "image.png"]
        assert (tmp_path / "target/deep/image.png").read_bytes() == b"new"
        (tmp_path / "target/old.png").touch()


def test_why_a_folder_cannot_be_copied_is_said_whatever_kind_of_error_it_was(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SetupError, match="target: cannot be written: .*No such file or directory"):
        row.copy_folder(tmp_path / "source", tmp_path / "target")  # a shutil.Error, which has no strerror
    with pytest.raises(SetupError, match="target: cannot be written: No such file or directory; make room"):
        row.copy_folder(tmp_path / "none", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_the_folders_of_a_file_are_made(tmp_path):
    row.write_whole(str(tmp_path / "a/b/file"), "text")
    assert (tmp_path / "a/b/file").read_text() == "text"
    with pytest.raises(SetupError, match="file/under: cannot be written: .*; make room or mend the permissions"):
        row.write_whole(tmp_path / "a/b/file/under", "text")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (0.0, "0"), (1 / 3, "0.333333"), (1234567.8, "1.23457e+06"), (True, "True")],
)
def test_a_csv_keeps_six_significant_digits_and_leaves_out_what_is_unknown(value, text):
    assert row.to_csv([{"column": value}], ["column"]) == f"column\n{text}\n".replace("column\n\n", 'column\n""\n')


def test_an_unknown_column_is_an_error_and_a_missing_one_is_empty():
    assert row.to_csv([{"a": 1}], ["a", "b"]) == "a,b\n1,\n"
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        row.to_csv([{"c": 1}], ["a", "b"])
