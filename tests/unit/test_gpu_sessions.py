"""A session on a GPU: what it measures, in which order, what counts as missing, and what a merge refuses."""

import zipfile

import minutes
import pytest
import wheels
import worklist
import yaml
from datasets import RUN, Dataset, read_archive, read_folder, write_archive
from merge import merge_into
from worklist import Run, all_steps, missing, read_list

from conftest import ROOT
from measurement.definition import planned_digest
from measurement.errors import DiffbenchError

CONFIG, ENTRIES = read_list()
STEPS = all_steps(ENTRIES, CONFIG)


def steps_of(tmp_path, *entries):
    """The steps of a list with such entries."""
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump({"config": "config/gpu.yaml", "work": list(entries)}), encoding="utf-8")
    config, found = read_list(path)
    return all_steps(found, config)


def row_of(make_row, step, **keys):
    """A row of a step on an H200."""
    cell = {"pipeline": step.pipeline, "batch_size": step.batch_size, "variant": step.variant, "round": step.round}
    place = {"gpu": "H200", "torch": "installed", "torch_version": "2.11.0+cu130", "device_id": "aaaa0000"}
    return make_row(**{**cell, **place, "definition": step.definition, **keys})


@pytest.fixture
def first(tmp_path):
    """The steps of one pipeline: eager and compile, two rounds."""
    return steps_of(
        tmp_path, {"name": "first", "pipelines": ["sd-txt2img"], "variants": ["eager", "compile"], "rounds": 2}
    )


def dataset(*rows):
    found = Dataset()
    found.tables["measurements.csv"] = list(rows)
    return found


# order


def test_all_rounds_of_a_pipeline_come_before_the_next_and_its_variants_lie_side_by_side_within_each():
    runs = [step for step in STEPS if isinstance(step, Run) and step.of == "first"]
    places = [(step.pipeline, step.round) for step in runs]
    assert list(dict.fromkeys(places)) == [
        (name, number) for name in ("sd-txt2img", "sdxl-txt2img") for number in (1, 2, 3)
    ]
    for place in places:
        variants = [step.variant for step in runs if (step.pipeline, step.round) == place]
        assert sorted(variants) == ["compile", "eager", "regional"] and places[::3].count(place) == 1


def test_the_most_valuable_comes_first():
    names = list(dict.fromkeys(step.of for step in STEPS))
    order = ["ceilings", "first", "published", "flux", "batch-4", "batch-16", "ladder", "flux-ladder"]
    assert names == [*order, "tests", "bare-loop", "trace"]


def test_flux_has_the_steps_and_size_and_dtype_that_others_measure():
    from measurement.definition import resolve

    (stage,) = resolve("flux.1-dev", 1, "eager", "random", "full")["stages"]
    assert (stage["steps"], stage["dtype"], stage["call"]["height"], stage["call"]["width"]) == (
        28,
        "bfloat16",
        1024,
        1024,
    )


def test_a_cell_that_two_entries_name_is_measured_once(tmp_path):
    one = {"name": "one", "pipelines": ["sd-txt2img"], "variants": ["eager"], "rounds": 1}
    steps = steps_of(tmp_path, one, {**one, "name": "more", "variants": ["eager", "compile"]})
    assert [(step.of, step.variant) for step in steps] == [("one", "eager"), ("more", "compile")]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a", "pipelines": ["sd-txt2img"], "variant": ["eager"]}, "variant, expected"),
        ({"name": "a", "pipelines": ["sd-txt2img"]}, "a: `variants` is missing"),
        ({"name": "a", "pipelines": ["sd-txt2image"], "variants": ["eager"]}, "unknown pipeline 'sd-txt2image'"),
        ({"name": "a"}, "expected a unique `name`, one of pipelines"),
    ],
)
def test_a_mistake_in_the_list_is_told(tmp_path, entry, message):
    with pytest.raises(DiffbenchError, match=message):
        steps_of(tmp_path, entry)


# what is missing


def test_what_is_committed_under_the_same_definition_is_not_measured_again(first, make_row):
    committed = dataset(row_of(make_row, first[0]), row_of(make_row, first[1], definition="000000000000"))
    assert missing(first, [committed], "H200") == first[1:], "the second row has another definition"
    assert missing(first, [committed], "H100-SXM") == first, "another GPU has another dataset"


def test_what_an_earlier_session_left_counts_too(first, make_row):
    earlier = dataset(*(row_of(make_row, step) for step in first[:2]))
    assert missing(first, [Dataset(), earlier], "H200") == first[2:]


def test_later_rounds_of_a_cell_that_cannot_be_measured_are_left_out(first, make_row):
    failed = row_of(make_row, first[0], status="oom", phase="load")
    left = missing(first, [dataset(failed)], "H200")
    assert [step for step in left if step.variant == first[0].variant] == [] and len(left) == 2
    other_stage = row_of(make_row, first[0], stage=2)
    assert len(missing(first, [dataset(failed, other_stage)], "H200")) == 3, "one of its stages was measured"


def test_checks_that_passed_and_ceilings_of_a_dtype_are_not_repeated(tmp_path):
    entries = [{"name": "tests", "tests": ["tests/gpu"]}, {"name": "ceilings", "ceilings": ["float16", "bfloat16"]}]
    steps, found = steps_of(tmp_path, *entries), Dataset()
    found.tables["ceilings.csv"] = [{"gpu": "H200", "torch": "installed", "dtype": "float16"}]
    found.texts["checks/tests.txt"] = "1 failed\n# stopped or failed: 1\n"
    left = missing(steps, [found], "H200")
    assert [step.name for step in left] == ["tests", "ceilings"] and left[1].dtypes == ["bfloat16"]
    found.texts["checks/tests.txt"] = "1 passed\n# exit code 0\n"
    assert [step.name for step in missing(steps, [found], "H200")] == ["ceilings"]


# how the minutes are spent


def test_the_phases_of_a_run_add_up_to_its_time():
    events = [{"event": "provenance", "at_s": 14.0}]
    events += [{"event": "phase", "phase": phase, "at_s": at_s} for phase, at_s in [("load", 15), ("first-call", 18)]]
    events += [{"event": "phase", "phase": phase, "at_s": at_s} for phase, at_s in [("warmup", 30), ("call-1", 32)]]
    events += [{"event": "phase", "phase": "evidence", "at_s": 40}, {"event": "outcome", "at_s": 43}]
    spent = minutes.phases_of(10.0, 11.5, events, 44.0, compile_s=9.0)
    assert spent == {"start": 1.5, "import": 3.5, "load": 3, "compile": 9, "calls": 13, "evidence": 3, "end": 1}
    assert sum(minutes.phases_of(10.0, None, [], 44.0, 0.0).values()) == 34


def test_what_no_run_took_is_idle():
    text = "\n".join(minutes.describe({"start": 6.0, "calls": 24.0}, 60.0))
    assert text.startswith("1.0 minutes, of which 40%") and "idle 30 s (50%)" in text


def test_a_compiled_cell_takes_long_on_a_machine_that_has_not_compiled_it(first):
    def took(*seconds):
        found, key = Dataset(), dict(zip(RUN, step.key("H200")))
        found.tables["minutes.csv"] = [{**key, "wall_s": str(value)} for value in seconds]
        return found

    step = next(step for step in first if step.variant == "compile")
    known = [took(115.0, 47.0), took(123.0)]
    assert worklist.expected_s(step, "H200", [], is_cached=False) == worklist.COMPILED_S
    assert worklist.expected_s(step, "H200", known, is_cached=False) == 123
    assert worklist.expected_s(step, "H200", known, is_cached=True) == 47
    assert worklist.expected_s(step, "H100", known, is_cached=False) == worklist.COMPILED_S


# merging


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


# wheels


def test_what_a_machine_has_is_read_from_what_pip_prints_there():
    listed = "Package    Version\n---------- -------\ntorch      2.11.0+cu130\nscikit-image 0.26.0\n"
    assert {"torch", "scikit-image"} <= wheels.names_in(listed)
    assert {"torch", "pyyaml"} == wheels.names_in("torch==2.11.0\nPyYAML==6.0.3\n")


def test_the_needs_of_a_wheel_are_those_of_the_machine(tmp_path):
    path = tmp_path / "some-1.0-py3-none-any.whl"
    text = (
        "Metadata-Version: 2.4\nName: some\nVersion: 1.0\n"
        "Requires-Dist: numpy>=2\nRequires-Dist: tomli; python_version < '3.11'\nRequires-Dist: sphinx; extra == 'docs'\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some-1.0.dist-info/METADATA", text)
    needs = wheels.needs_of(path, {"python_version": "3.12"})
    assert [one.name for one in needs] == ["numpy"]
    assert list(wheels.lacking(needs, {"numpy"})) == []


def test_definitions_are_those_of_a_workflow_with_this_config():
    (step,) = [one for one in STEPS if isinstance(one, Run) and one[1:6] == ("sd-txt2img", 1, "native", "eager", 1)]
    assert step.definition == planned_digest(CONFIG, "sd-txt2img", 1, "native", "eager")
    assert worklist.measure_command(step, CONFIG, "H200", "folder")[-1].name == "measure.log"
