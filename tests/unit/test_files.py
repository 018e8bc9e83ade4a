"""Files appear whole or not at all, whatever happens while they are written."""

import errno
import os
import zipfile

import pytest

import bundle
from diffbench.system import files
from diffbench.vocabulary.errors import SetupError

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
    files.write_whole(path, content)
    assert seen == [False]
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("fails", ["copytree", "fsync"])
def test_where_one_file_or_folder_cannot_be_written_none_is(tmp_path, monkeypatch, fails):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/image.png").write_bytes(b"new")
    (tmp_path / "target/outputs").mkdir(parents=True)
    (tmp_path / "target/outputs/image.png").write_bytes(b"old")
    monkeypatch.setattr(files.shutil if fails == "copytree" else files.os, fails, fail)
    with pytest.raises(SetupError, match="target: cannot be written: No space left on device; make room$"):
        files.put_together(tmp_path / "target", {"calls.csv": "", "run.csv": ""}, {"outputs": tmp_path / "source"})
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["outputs"]
    assert (tmp_path / "target/outputs/image.png").read_bytes() == b"old"


def test_a_copied_folder_takes_the_place_of_what_was_there(tmp_path):
    (tmp_path / "source/deep").mkdir(parents=True)
    (tmp_path / "source/deep/image.png").write_bytes(b"new")
    for _ in range(2):  # where nothing is, and in the place of another
        files.put_together(tmp_path / "target", {"run.csv": "caf\u00e9"}, {"outputs": tmp_path / "source"})
        assert sorted(path.name for path in (tmp_path / "target").iterdir()) == ["outputs", "run.csv"]
        assert [path.name for path in (tmp_path / "target/outputs").rglob("*")] == ["deep", "image.png"]
        assert (tmp_path / "target/outputs/deep/image.png").read_bytes() == b"new"
        assert (tmp_path / "target/run.csv").read_bytes() == b"caf\xc3\xa9"
        (tmp_path / "target/outputs/old.png").touch()


def test_why_a_folder_cannot_be_copied_is_said_whatever_kind_of_error_it_was(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/link").symlink_to(tmp_path / "nowhere")
    for source in ("source", "none"):  # a shutil.Error, which holds a list, and an OSError
        with pytest.raises(SetupError) as caught:
            files.put_together(tmp_path / "target", {}, {"outputs": tmp_path / source})
        assert str(caught.value) == (
            f"{tmp_path / 'target'}: cannot be written: No such file or directory; make the folder, or correct the path"
        )
        assert not list((tmp_path / "target").iterdir())


def test_the_folders_of_a_file_are_made(tmp_path):
    files.write_whole(str(tmp_path / "a/b/file"), "text")
    assert (tmp_path / "a/b/file").read_text() == "text"
    with pytest.raises(SetupError, match="file/under: cannot be written: File exists; name another"):
        files.write_whole(tmp_path / "a/b/file/under", "text")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (0.0, "0"), (1 / 3, "0.333333"), (1234567.8, "1.23457e+06"), (True, "True")],
)
def test_a_csv_keeps_six_significant_digits_and_leaves_out_what_is_unknown(value, text):
    assert files.to_csv([{"column": value}], ["column"]) == f"column\n{text}\n".replace("column\n\n", 'column\n""\n')


def test_an_unknown_column_is_an_error_and_a_missing_one_is_empty():
    assert files.to_csv([{"a": 1}], ["a", "b"]) == "a,b\n1,\n"
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        files.to_csv([{"c": 1}], ["a", "b"])
