"""Where compiler caches are, whose they are, and what is deleted; test_compiler_caches.py has their states."""

import os
import tempfile
from pathlib import Path

import pytest

from diffbench.measurement.setup_checks import check_compiler
from diffbench.system import cache_cleaning, compiler_caches
from diffbench.system.cache_cleaning import clean, describe_cleaning, is_ours
from diffbench.system.compiler_caches import (
    COLD,
    SHARED,
    TAG,
    WARM,
    CellCache,
    cell_cache,
    default_folder,
    private_folder,
)
from diffbench.vocabulary.errors import SetupError
from mounts import mounted


@pytest.mark.parametrize("named", ["/scratch/me", "", None])
def test_the_folder_is_the_users_own_unless_one_is_named(monkeypatch, named):
    monkeypatch.delenv("DIFFBENCH_CACHE", raising=False)
    if named is not None:
        monkeypatch.setenv("DIFFBENCH_CACHE", named)
    own = Path(tempfile.gettempdir()) / f"diffbench-cache-{os.getuid()}"
    assert default_folder() == (Path(named) if named else own)


def test_a_folder_that_is_made_is_private(tmp_path):
    made = private_folder(tmp_path / "a/b")
    assert made == tmp_path / "a/b" and made.stat().st_mode & 0o777 == 0o700
    assert private_folder(made) == made


@pytest.mark.parametrize(("mode", "refused"), [(0o720, True), (0o702, True), (0o755, False), (0o700, False)])
def test_a_folder_that_others_can_write_is_refused(tmp_path, mode, refused):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    if refused:
        with pytest.raises(SetupError, match=f"{folder}: others can write there; `chmod go-w {folder}`"):
            private_folder(folder)
    else:
        private_folder(folder)


def test_a_link_and_anothers_folder_are_refused(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(SetupError, match="link: is a link; remove it"):
        private_folder(tmp_path / "link")
    uid = os.getuid()
    monkeypatch.setattr(compiler_caches.os, "getuid", lambda: uid + 1)
    with pytest.raises(SetupError, match="mine: is another user's"):
        private_folder(tmp_path / "mine")


def test_a_link_that_the_user_names_is_followed_and_what_it_leads_to_is_checked(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("scratch")
    monkeypatch.setenv("DIFFBENCH_CACHE", str(tmp_path / "link"))
    assert check_compiler(None, False, {}) == check_compiler(tmp_path / "link", False, {}) == tmp_path / "scratch"
    (tmp_path / "scratch").chmod(0o770)
    with pytest.raises(SetupError, match="scratch: others can write there; `chmod go-w .*`, or set DIFFBENCH_CACHE"):
        check_compiler(None, False, {})


def test_a_link_in_the_default_place_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("DIFFBENCH_CACHE", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "mine").mkdir(mode=0o700)
    default_folder().symlink_to(tmp_path / "mine")
    with pytest.raises(SetupError, match=f"{default_folder()}: is a link; remove it, or set DIFFBENCH_CACHE"):
        check_compiler(None, False, {})


@pytest.mark.parametrize("suffix", ["so", "cubin", "hsaco", "ptx", "spv", "metallib"])
def test_what_a_compiler_leaves_makes_a_run_cold_where_torch_does_not_count(tmp_path, suffix):
    (tmp_path / f"old.{suffix}").touch()
    cache = CellCache(tmp_path, SHARED, WARM)
    (tmp_path / "new.py").touch()
    (tmp_path / f"old.{suffix}").unlink()
    assert cache.state({"status": "ok"}) == WARM, "nothing new was compiled"
    (tmp_path / "deep").mkdir()
    (tmp_path / f"deep/new.{suffix}").touch()
    assert cache.state({"status": "ok"}) == COLD


@pytest.mark.parametrize(
    ("hits", "misses", "state"), [(1, 0, WARM), (2, 0, WARM), (0, 0, COLD), (0, 1, COLD), (1, 1, COLD)]
)
@pytest.mark.parametrize("status", ["ok", "oom"])
def test_only_a_cache_that_gave_every_graph_is_warm(tmp_path, status, hits, misses, state):
    row = {"status": status, "cache_hits": hits, "cache_misses": misses}
    assert CellCache(tmp_path, SHARED, WARM).state(row) == state
    assert CellCache(tmp_path, SHARED, COLD).state(row) == COLD


def test_emptying_deletes_links_and_not_what_they_lead_to(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "cell"
    outside.mkdir()
    (outside / "file").touch()
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/file").touch()
    (folder / "link").symlink_to(outside)
    folder.chmod(0o700)
    tmp_path.chmod(0o700)
    with cell_cache(tmp_path, "cell", 1, SHARED) as cache:
        assert [path.name for path in cache.folder.iterdir()] == [TAG]
        assert (cache.folder / TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert (outside / "file").exists()


def test_in_the_default_place_all_folders_are_ours(tmp_path, monkeypatch):
    monkeypatch.delenv("DIFFBENCH_CACHE", raising=False)
    monkeypatch.setattr(cache_cleaning, "default_folder", lambda: tmp_path)
    (tmp_path / "cell").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "cell")
    assert [is_ours(tmp_path / name, tmp_path) for name in ("cell", "file", "link", "none")] == [True] + [False] * 3
    assert not is_ours(tmp_path / "cell", tmp_path.parent), "no tag, and another place"
    monkeypatch.setenv("DIFFBENCH_CACHE", str(tmp_path))
    assert not is_ours(tmp_path / "cell", tmp_path), "the user's own place may have others' folders"


def test_a_tag_of_another_program_is_not_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFBENCH_CACHE", str(tmp_path))
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / TAG).write_bytes(b"\xff\xff")
    assert not is_ours(tmp_path / "cell", tmp_path)
    (tmp_path / "cell" / TAG).write_text(compiler_caches.TAG_TEXT)
    assert is_ours(tmp_path / "cell", tmp_path)


def test_cleaning_says_what_it_freed_in_mib(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFBENCH_CACHE", str(tmp_path))
    tmp_path.chmod(0o700)
    for name in ("a", "b"):
        with cell_cache(tmp_path, name, 1, SHARED) as cache:
            (cache.folder / "deep").mkdir()
            (cache.folder / "deep/code.so").write_bytes(bytes(3 * 2**20))
    with cell_cache(tmp_path, "c", 1, SHARED):
        text = describe_cleaning(tmp_path)
        assert text == f"{tmp_path}: 2 compiler cache(s) deleted, 6 MiB; 1 in use, left as they are"
    deleted, freed_bytes, used, left = clean(tmp_path)
    assert (deleted, used, left) == (1, 0, []) and freed_bytes < 10_000
    assert describe_cleaning(tmp_path) == f"{tmp_path}: 0 compiler cache(s) deleted, 0 MiB"


@pytest.mark.parametrize("in_the_way", ["cell/deep", "cell"])
def test_a_cache_that_cannot_be_deleted_is_not_counted_as_deleted(tmp_path, monkeypatch, in_the_way):
    base = tmp_path / "base"
    monkeypatch.setenv("DIFFBENCH_CACHE", str(base))
    with mounted(base / in_the_way, "size=1m"):
        for name in ("cell", "other"):
            (base / name).mkdir(exist_ok=True)
            (base / name / TAG).write_text(compiler_caches.TAG_TEXT)
        with pytest.raises(SetupError) as error:
            describe_cleaning(base)
        assert str(error.value) == (
            f"{base}: 1 compiler cache(s) deleted, 0 MiB; 1 could not be deleted: cell; delete what is left by hand"
        )
        assert [path.name for path in base.iterdir()] == ["cell"]


def test_a_file_in_the_place_of_the_caches_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        SetupError, match="file: cannot be read: Not a directory; expected the folder of the compiler caches"
    ):
        describe_cleaning(tmp_path / "file")
    assert describe_cleaning(tmp_path / "none").endswith("none: 0 compiler cache(s) deleted, 0 MiB")
