"""What a session on a GPU has measured becomes part of a dataset: what is kept, and what a merge refuses."""

import zipfile

import pytest
import yaml
from datasets import read_archive, read_folder, write_archive
from merge import merge_into
from worklist import missing, read_list

from conftest import ROOT
from diffbench.vocabulary.errors import DiffbenchError
from gpu_steps import dataset, first_steps, row_of

CONFIG, _ = read_list()


@pytest.fixture
def first(tmp_path):
    return first_steps(tmp_path)


@pytest.fixture
def archive(tmp_path, first, make_row):
    """Writes the archive of a session that measured these steps; keys replace columns of its rows."""

    def write(name, steps, **keys):
        found = dataset(*(row_of(make_row, step, **keys) for step in steps))
        found.tables["ceilings.csv"] = [
            {
                "gpu": "H200",
                "torch": "installed",
                "dtype": "float16",
                "matmul_tflops": "650",
                "started_at": "2026-11-27",
            }
        ]
        found.texts["config.yaml"] = yaml.safe_dump(CONFIG)
        write_archive(tmp_path / name, "any", found)
        return tmp_path / name

    return write


@pytest.fixture
def root(tmp_path):
    """A folder with the catalogues, and no dataset."""
    for name in ("config", "resources"):
        (tmp_path / "root").mkdir(exist_ok=True)
        (tmp_path / "root" / name).mkdir()
    (tmp_path / "root/config").rmdir()
    (tmp_path / "root/config").symlink_to(ROOT / "config")
    (tmp_path / "root/resources/architectures").symlink_to(ROOT / "resources/architectures")
    return tmp_path / "root"


def merged(root):
    return read_folder(root / "resources/measured/h200-torch-2.11")


PLACES = [("2026-11-20", "aaaa0000"), ("2026-12-01", "bbbb1111")]


def test_rounds_of_several_sessions_and_boards_keep_their_device_and_date(root, archive, first):
    merge_into(root, [archive("one.zip", first[:2])])
    later = {"device_id": "bbbb1111", "started_at": "2026-12-01T10:00:00Z"}
    lines = merge_into(root, [archive("two.zip", first[2:], **later)])
    found = merged(root)
    assert [(row["variant"], row["round"], row["started_at"][:10], row["device_id"]) for row in found.rows()] == [
        (variant, number, *place) for variant in ("eager", "compile") for number, place in zip("12", PLACES)
    ], "in the order of the catalogue, whatever was measured first"
    assert lines == [f"{root}/resources/measured/h200-torch-2.11: 2 new rounds from {archive('two.zip', first)}"]
    about = yaml.safe_load(found.texts["about.yaml"])
    sessions = [f"{day}, board {board}: sd-txt2img (1 round)" for day, board in PLACES]
    assert about["source"].endswith("random weights: " + "; ".join(sessions))
    config = yaml.safe_load(found.texts["config.yaml"])
    assert (config["pipelines"], config["batch_sizes"], config["rounds"]) == (["sd-txt2img"], [1], 2)
    assert len(found.tables["ceilings.csv"]) == 1
    assert missing(first, [found], "H200") == [], "a session reads what a merge wrote"


def test_merging_twice_changes_nothing(root, archive, first):
    path = archive("one.zip", first)
    merge_into(root, [path])
    before = merged(root).files()
    merge_into(root, [path])
    assert merged(root).files() == before


def test_the_same_round_with_other_values_is_refused_and_nothing_is_written(root, archive, first):
    merge_into(root, [archive("one.zip", first[:1])])
    before = merged(root).files()
    with pytest.raises(
        DiffbenchError, match=r"two.zip: measurements.csv: sd-txt2img, batch size 1, \w+, round 1: .* other"
    ):
        merge_into(root, [archive("two.zip", first, iterations_per_second="21")])
    assert merged(root).files() == before


def test_rows_of_an_older_definition_are_replaced_with_all_their_rounds(root, archive, first, make_row):
    folder = root / "resources/measured/h200-torch-2.11"
    other = row_of(make_row, first[0], pipeline="if", definition="000000000000")
    old = dataset(*(row_of(make_row, step, definition="000000000000") for step in first), other)
    folder.mkdir(parents=True)
    (folder / "measurements.csv").write_text(old.files()["measurements.csv"], encoding="utf-8")
    lines = merge_into(root, [archive("one.zip", first[:1])])
    kept = [(row["pipeline"], row["variant"], row["round"], row["definition"]) for row in merged(root).rows()]
    others = [step for step in first if step.variant != first[0].variant]
    replaced = [key for key in kept if key[:2] == ("sd-txt2img", first[0].variant)]
    assert replaced == [("sd-txt2img", first[0].variant, "1", first[0].definition)]
    assert len(kept) == len(others) + 2, "cells that the archive does not have stay as they are"
    assert sum("older definition" in line for line in lines) == 2


def test_rows_of_another_definition_than_the_catalogues_give_are_refused(root, archive, first):
    with pytest.raises(DiffbenchError, match="found definition 000000000000, expected " + first[0].definition):
        merge_into(root, [archive("one.zip", first[:1], definition="000000000000")])
    assert not (root / "resources/measured").exists()


def test_rows_that_no_measurement_wrote_are_refused(root, archive, first):
    with pytest.raises(DiffbenchError, match="one.zip: measurements.csv.*iterations_per_second"):
        merge_into(root, [archive("one.zip", first[:1], iterations_per_second="fast")])


def test_rows_that_contradict_themselves_are_refused_in_every_table(root, archive, first, tmp_path):
    with pytest.raises(
        DiffbenchError, match="one.zip: measurements.csv:2: gpu: found 'H200', but device_name is 'Tesla T4'"
    ):
        merge_into(root, [archive("one.zip", first[:1], device_name="Tesla T4")])
    name, found = read_archive(archive("two.zip", first[:1]))
    found.tables["ceilings.csv"][0]["matmul_tflops"] = "inf"
    write_archive(tmp_path / "two.zip", name, found)
    with pytest.raises(DiffbenchError, match="two.zip: ceilings.csv:2: matmul_tflops: found 'inf'"):
        merge_into(root, [tmp_path / "two.zip"])
    assert not (root / "resources/measured").exists()


def test_another_file_than_an_archive_is_refused(root, tmp_path):
    (tmp_path / "broken.zip").write_text("no archive", encoding="utf-8")
    with pytest.raises(DiffbenchError, match="broken.zip: not an archive of a session"):
        merge_into(root, [tmp_path / "broken.zip"])


def test_an_archive_is_read_as_it_was_written(tmp_path, first, make_row):
    found = dataset(row_of(make_row, first[0]))
    found.texts["checks/tests.txt"] = "passed\n"
    write_archive(tmp_path / "a.zip", "name", found)
    assert read_archive(tmp_path / "a.zip")[1].files() == found.files()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert set(archive.namelist()) == {"name/measurements.csv", "name/checks/tests.txt"}
