"""A session on a GPU: what it measures, in which order, what counts as missing, and how its minutes are told."""

import minutes
import pytest
import worklist
from datasets import RUN, Dataset
from worklist import Run, all_steps, missing, read_list

from diffbench.catalogue.definition import planned_digest
from diffbench.vocabulary.errors import DiffbenchError
from gpu_steps import dataset, first_steps, row_of, steps_of

CONFIG, ENTRIES = read_list()
STEPS = all_steps(ENTRIES, CONFIG)


@pytest.fixture
def first(tmp_path):
    return first_steps(tmp_path)


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
    from diffbench.catalogue.definition import resolve

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


def test_definitions_are_those_of_a_workflow_with_this_config():
    (step,) = [one for one in STEPS if isinstance(one, Run) and one[1:6] == ("sd-txt2img", 1, "native", "eager", 1)]
    assert step.definition == planned_digest(CONFIG, "sd-txt2img", 1, "native", "eager")
    assert worklist.measure_command(step, CONFIG, "H200", "folder")[-1].name == "measure.log"
