"""The compiler caches of cells: warm only if it was hit, deleted after the last round, and never another's."""

import shutil
import threading

import numpy as np
import pytest
import yaml

from compiled_runs import rows_of as compiled_rows
from conftest import ROOT
from diffbench.catalogue.definition import digest, resolve
from diffbench.system.cache_cleaning import clean
from diffbench.system.compiler_caches import COLD, FRESH, SHARED, WARM, cell_cache, locked_folder
from diffbench.vocabulary.errors import SetupError
from extended_tables import columns_of, extended
from running import measure, rows_of
from summaries import summary_of

OK = {"status": "ok"}
HIT = {**OK, "cache_hits": 2, "cache_misses": 0}


def run(base, number, rounds=3, mode=SHARED, complete=True, row=HIT, compiled=(), cell="cell"):
    """One run of a cell: what its cache was at the start, and what its row says. `compiled` are files that it compiles."""
    with cell_cache(base, cell, number, mode) as cache:
        for name in compiled:
            (cache.folder / name).write_text("code")
        started, state = cache.started, cache.state(row)
        cache.finish(number, rounds, complete)
    return started, state


def test_round_1_is_cold_and_later_rounds_are_warm_if_the_cache_was_hit(tmp_path):
    assert run(tmp_path, 1) == (COLD, COLD), "also where it takes what it has compiled itself"
    assert run(tmp_path, 2) == (WARM, WARM)


@pytest.mark.parametrize(
    "row",
    [
        {**OK, "cache_hits": 0, "cache_misses": 2},
        {**OK, "cache_hits": 1, "cache_misses": 1},
        {**OK, "cache_hits": 0, "cache_misses": 0},
    ],
)
def test_a_round_whose_cache_was_not_hit_throughout_is_cold(tmp_path, row):
    run(tmp_path, 1)
    assert run(tmp_path, 2, row=row) == (WARM, COLD)


def test_without_counters_anything_that_is_compiled_makes_a_round_cold(tmp_path):
    run(tmp_path, 1, row=OK, compiled=["a.so"])
    assert run(tmp_path, 2, row=OK, compiled=["a.so", "a.py", "a.lock"]) == (WARM, WARM), (
        "the same again is nothing new"
    )
    run(tmp_path, 1, row=OK, compiled=["a.so"])
    assert run(tmp_path, 2, row=OK, compiled=["b.so"]) == (WARM, COLD)


def test_a_round_that_failed_before_it_could_know_does_not_say(tmp_path):
    run(tmp_path, 1)
    assert run(tmp_path, 2, row={"status": "oom"}) == (WARM, None)


def test_after_a_round_that_failed_the_next_is_cold(tmp_path):
    run(tmp_path, 1, complete=False)
    assert run(tmp_path, 2) == (COLD, COLD)
    assert run(tmp_path, 3, rounds=4) == (WARM, WARM), "round 2 was measured to its end"


def test_round_1_again_starts_afresh(tmp_path):
    run(tmp_path, 1, compiled=["old.so"])
    assert run(tmp_path, 1) == (COLD, COLD)
    assert not list(tmp_path.rglob("old.so"))


def test_the_last_round_deletes_the_cache(tmp_path):
    for number in (1, 2):
        run(tmp_path, number)
        assert list(tmp_path.iterdir())
    run(tmp_path, 3)
    assert not list(tmp_path.iterdir())
    assert run(tmp_path, 4, rounds=4) == (COLD, COLD), "a round that is added later compiles for itself, and says so"


def test_a_last_round_that_failed_deletes_it_too(tmp_path):
    run(tmp_path, 1, rounds=2)
    run(tmp_path, 2, rounds=2, complete=False)
    assert not list(tmp_path.iterdir())


def test_an_earlier_round_that_comes_after_the_last_is_cold(tmp_path):
    for number in (1, 3):
        run(tmp_path, number)
    assert run(tmp_path, 2) == (COLD, COLD)


def test_without_a_number_of_rounds_it_is_kept(tmp_path):
    for number in (1, 2):
        run(tmp_path, number, rounds=None)
    assert list(tmp_path.iterdir())


def test_fresh_is_cold_in_every_round_and_leaves_nothing(tmp_path):
    for number in (1, 2):
        assert run(tmp_path, number, mode=FRESH, compiled=["a.so"]) == (COLD, COLD)
        assert not list(tmp_path.iterdir())


def test_fresh_uses_no_code_of_an_earlier_round_although_it_is_kept(tmp_path):
    run(tmp_path, 1, mode=FRESH, rounds=None, compiled=["a.so"])
    assert run(tmp_path, 2, mode=FRESH, rounds=None) == (COLD, COLD)
    assert not list(tmp_path.rglob("a.so"))


def test_fresh_is_another_definition_where_something_compiles():
    def definition(variant, cache):
        return digest(resolve("sd-txt2img", 1, variant, "random", "tiny", cache=cache))

    assert definition("compile", FRESH) != definition("compile", SHARED)
    assert definition("eager", FRESH) == definition("eager", SHARED), "it has nothing to compile"


def test_all_rounds_cold_leave_the_warm_columns_empty(make_row):
    rows = [{**row, "cache": "cold" * (row["variant"] == "compile")} for row in compiled_rows(make_row)]
    summary = summary_of(rows)
    compiled = summary[summary["variant"] == "compile"].iloc[0]
    assert np.isnan(compiled["startup_warm_s"]) and np.isnan(compiled["breakeven_warm_images"])
    assert compiled["startup_cold_s"] == 32 and compiled["breakeven_cold_images"] > 0
    assert columns_of(extended(summary))["start-up warm (s)"] == ["2", "-"]


def test_a_cache_that_somebody_has_deleted_loses_no_measurement(tmp_path):
    with cell_cache(tmp_path, "cell", 1, SHARED) as cache:
        shutil.rmtree(cache.folder)
        assert cache.state(OK) == COLD
        cache.finish(1, 3, complete=True)
    assert run(tmp_path, 2) == (COLD, COLD)


def test_cleaning_deletes_what_is_ours_and_not_in_use(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFBENCH_CACHE", str(tmp_path))
    for cell in ("f", "g"):
        run(tmp_path, 1, compiled=["a.so"], cell=cell)
    kept = {"a-folder", "c-pip", "b-in-use", "d-in-use"}  # deleting goes by the alphabet
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "c-pip").mkdir()
    (tmp_path / "c-pip/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# pip\n")
    with cell_cache(tmp_path, "b-in-use", 1, SHARED), cell_cache(tmp_path, "d-in-use", 1, SHARED):
        deleted, freed_bytes, used, left = clean(tmp_path)
    assert (deleted, used, left) == (2, 2, [])
    assert freed_bytes >= 2 * len("code")
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert clean(tmp_path / "none") == (0, 0, 0, [])


def test_a_run_that_waited_while_its_cache_was_deleted_has_a_folder(tmp_path):
    folder, waiting, entered = tmp_path / "cell", threading.Event(), []

    def wait():
        waiting.set()
        with locked_folder(folder):
            entered.append(folder.is_dir())

    with locked_folder(folder):
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        thread.join(0.2)
        assert not entered, "one run at a time"
        shutil.rmtree(folder)
    thread.join(10)
    assert entered == [True]


def test_a_folder_that_others_can_write_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(SetupError, match="others can write there"):
        run(tmp_path, 1)


NO_CACHES = {
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
    "TORCHINDUCTOR_AUTOGRAD_CACHE": "0",
    "TRITON_ALWAYS_COMPILE": "1",
}


@pytest.mark.slow
def test_what_a_row_says_of_the_cache_is_what_the_compiler_did(tmp_path):
    """Three real rounds: the second takes the first's code, whatever the user's shell says of caches, the third finds it gone. A
    variant that turns the caches off itself is cold in every round."""
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    file = tmp_path / "config/variants.yaml"
    variants = yaml.safe_load(file.read_text(encoding="utf-8"))
    variants["text"] = {"label": "text", "compile_text_encoder": {}}  # a small graph
    variants["off"] = {"label": "off", "compile_text_encoder": {"options": {"force_disable_caches": True}}}
    file.write_text(yaml.safe_dump(variants), encoding="utf-8")
    caches = tmp_path / "caches"
    few = ["--root", tmp_path, "--cache-folder", caches, "--warmup-calls", 1, "--max-warmup-calls", 1]
    few += ["--calls", 1, "--max-calls", 1, "--rounds", 3]
    rows = []
    for number in (1, 2, 3):
        if number == 3:
            for folder in ("inductor", "triton"):
                shutil.rmtree(next(caches.iterdir()) / folder, ignore_errors=True)
        shell = NO_CACHES if number == 2 else None
        result = measure(tmp_path / f"runs/{number}", *few, "--round", number, variant="text", environment=shell)
        assert result.returncode == 0, result.stderr
        rows += rows_of(tmp_path / f"runs/{number}")
    assert [row["status"] for row in rows] == ["ok"] * 3, [row["detail"] for row in rows]
    assert [row["cache"] for row in rows] == ["cold", "warm", "cold"]
    hits, misses = ([int(row[column] or -1) for row in rows] for column in ("cache_hits", "cache_misses"))
    if -1 not in hits:  # a torch that counts
        assert hits[0] == hits[2] == 0 < hits[1]
        assert misses[1] == 0 < min(misses[0], misses[2])
    assert float(rows[1]["compile_s"]) < float(rows[0]["compile_s"])
    assert not list(caches.iterdir()), "deleted after round 3"
    for number in (1, 2):
        result = measure(tmp_path / f"off/{number}", *few, "--round", number, variant="off")
        assert [row["cache"] for row in rows_of(tmp_path / f"off/{number}")] == ["cold"], result.stderr
