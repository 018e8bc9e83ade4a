"""The config: what is expanded, in which order, and what is refused with one clear line."""

import copy
import shutil
import sys

import pytest
import yaml

from conftest import DEFAULT_CONFIG as CONFIG
from conftest import ROOT, WHOLE_CONFIG
from diffbench.plan.matrix import Plan, check_installed, expand, expand_rounds, resolve_config
from diffbench.system.threads import default_threads
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.errors import DiffbenchError, SetupError


def changed(**keys):
    """The default config with all of its cells and two rounds, and with other keys."""
    return {**copy.deepcopy(WHOLE_CONFIG), "rounds": 2, **keys}


def test_the_default_config_has_all_pipelines_and_compiles_three_cells():
    plan = Plan(CONFIG)
    assert set(plan.cells["pipeline"]) == set(CONFIG["pipelines"])
    compiled = plan.cells[plan.cells["variant"] == "compile"]
    assert list(zip(compiled["pipeline"], compiled["batch_size"])) == [
        ("sd-txt2img", 1),
        ("sd-txt2img", 4),
        ("sdxl-txt2img", 1),
    ]
    assert len(plan.cells) == 12 and len(plan.runs) == 3 * 12


def test_the_matrix_is_the_product_of_its_axes():
    plan = Plan(changed())
    assert len(plan.cells) == 6 * 2 * 2
    assert len(plan.runs) == 48
    assert set(plan.cells["gpu"]) == {"CPU"}
    assert set(plan.cells["torch"]) == {"installed"}


def test_full_config_is_the_published_matrix():
    full = yaml.safe_load((ROOT / "config/full.yaml").read_text(encoding="utf-8"))
    plan = Plan(changed(**full))
    assert len(plan.cells) == 5 * 2 * 6 * 3 * 2
    assert plan.config["scale"] == "full"


def test_all_is_every_pipeline_and_every_variant():
    every = yaml.safe_load((ROOT / "config/catalogue.yaml").read_text(encoding="utf-8"))
    settings = {**CONFIG["measurement"], **every.pop("measurement")}
    cells = Plan(changed(**every, measurement=settings)).cells
    for axis in ("pipeline", "variant"):
        catalogue = yaml.safe_load((ROOT / f"config/{axis}s.yaml").read_text(encoding="utf-8"))
        assert list(cells[axis].unique()) == list(catalogue)


def test_rounds_are_interleaved_over_the_matrix_and_shuffled_within():
    baseline = CONFIG["baseline"]
    cells = expand(resolve_config(changed()))
    runs = expand_rounds(cells, 3, 0, baseline)
    assert list(runs[CELL].itertuples(index=False)) == 3 * list(cells[CELL].itertuples(index=False))
    measured = runs.sort_values("number")
    assert list(measured["number"]) == list(range(1, len(runs) + 1))
    assert list(measured["round"]) == sorted(runs["round"])
    orders = [list(map(tuple, rows[CELL].values)) for _, rows in measured.groupby("round")]
    assert len(set(map(tuple, orders))) == 3, "each round has an order of its own"
    assert expand_rounds(cells, 3, 0, baseline).equals(runs), "the same seed gives the same order"
    assert not expand_rounds(cells, 3, 1, baseline).equals(runs)


@pytest.mark.parametrize(
    ("baseline", "compared"),
    [({"variant": "eager"}, 3), ({"torch": "2.1"}, 2), ({"torch": "2.1", "variant": "eager"}, 6)],
)
def test_cells_that_are_compared_run_next_to_each_other_in_a_drawn_order(baseline, compared):
    keys = changed(torch=["2.1", "2.13"], variants=["eager", "compile", "regional"], baseline=baseline, rounds=20)
    plan = Plan(keys)
    others = [axis for axis in CELL if axis not in baseline]
    first, before = set(), set()
    for _, rows in plan.runs.sort_values("number").groupby("round"):
        blocks = list(rows[others].itertuples(index=False, name=None))
        starts = range(0, len(blocks), compared)
        assert all(len(set(blocks[start : start + compared])) == 1 for start in starts), "a block is never interrupted"
        assert len({blocks[start] for start in starts}) == len(blocks) / compared
        first |= {tuple(rows[list(baseline)].iloc[start]) for start in starts}
        before |= {(blocks[start], blocks[start + compared]) for start in list(starts)[:-1]}
    assert len(first) == compared, "each cell of a block comes first at times"
    assert len(before) > 3 * len(set(blocks)), "blocks follow each other in many orders"


def test_a_matrix_with_nothing_to_measure_has_no_order():
    cells = expand(resolve_config(changed())).iloc[:0]
    assert expand_rounds(cells, 2, 0, CONFIG["baseline"]).empty


def test_exclude_takes_partial_cells_out():
    plan = Plan(
        changed(exclude=[{"pipeline": "if", "batch_size": 4}, {"pipeline": "sd-inpaint", "variant": "compile"}])
    )
    assert len(plan.cells) == 24 - 2 - 2


def test_exclude_takes_lists_of_values():
    plan = Plan(changed(exclude=[{"pipeline": ["if", "sd-inpaint"], "batch_size": [1, 4], "variant": "compile"}]))
    assert len(plan.cells) == 24 - 4


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"batchsizes": [1]}, "unknown key batchsizes"),
        ({"batch_sizes": [0]}, "batch_sizes[0]: found 0, expected an integer of 1 or more"),
        ({"batch_sizes": ["4"]}, "batch_sizes[0]: found '4', expected an integer of 1 or more"),
        ({"batch_sizes": [1.5]}, "batch_sizes[0]: found 1.5"),
        ({"batch_sizes": [True]}, "batch_sizes[0]: found True"),
        ({"batch_sizes": []}, "batch_sizes: found [], expected a list of one or more"),
        ({"batch_sizes": [1, 1]}, "batch_sizes: found [1, 1], expected a list of one or more different"),
        ({"pipelines": []}, "pipelines: found []"),
        ({"pipelines": ["sd-txt2im"]}, "did you mean 'sd-txt2img'?"),
        ({"pipelines": ["flux.1"]}, "did you mean 'flux.1-dev'?"),
        ({"gpus": ["a100"]}, "did you mean 'A100'?"),
        ({"gpus": ["cpu"]}, "did you mean 'CPU'?"),
        ({"gpus": ["rtx4090"]}, "did you mean 'RTX-4090'?"),
        ({"variants": ["eager", "regional-compile"]}, "did you mean 'regional'?"),
        ({"torch": ["2.16"]}, "known are: installed, nightly-current, nightly, 2.15-extras, 2.15-current, 2.15"),
        (
            {"exclude": [{"pipeline": "sd-txt2im"}]},
            "'sd-txt2im' is outside the matrix (did you mean 'sd-txt2img'?); correct",
        ),
        ({"pipelines": ["if", "if"]}, "different names"),
        ({"variants": ["turbo"]}, "variants: unknown name 'turbo'"),
        ({"gpus": ["A1000"]}, "gpus: unknown gpu 'A1000'"),
        ({"gpus": ["auto", "CPU"]}, "name the same thing twice"),
        ({"gpus": None}, "gpus: found None"),
        ({"gpus": []}, "gpus: found [], expected a list of one or more"),
        ({"torch": ["1.13"]}, "torch: unknown name '1.13'"),
        ({"torch": [2.1]}, "torch[0]: found 2.1, which YAML reads as a number: put what you wrote in quotes"),
        ({"name": 2.10}, "name: found 2.1, which YAML reads as a number"),
        ({"name": False}, "name: found False, which YAML reads as a boolean: put what you wrote in quotes"),
        ({"rounds": 10**9}, "rounds: found 1000000000, expected at most 1000000"),
        ({"name": "a/b"}, "name: found 'a/b', expected a name of letters"),
        ({"name": ".."}, "name: found '..'"),
        ({"name": "a b"}, "name: found 'a b'"),
        ({"name": "a" * 101}, "name: found 'aaaaaa"),
        ({"name": "a" * 101}, "…, expected at most 100 characters"),
        ({"variants": ["a" * 101]}, "expected at most 100 characters"),
        (
            {"documents": ["mine/{a}.md"]},
            "config: documents[0]: found 'mine/{a}.md', expected the path of a Markdown file, without",
        ),
        ({"documents": [""]}, "config: documents[0]: found ''"),
        (
            {"external": ["}.csv"]},
            "config: external[0]: found '}.csv', expected a CSV of measurements, a folder or a glob, without",
        ),
        ({"name": "a\n"}, "name: found 'a\\n'"),
        (
            {"baseline": {"variant": "regional"}},
            "baseline.variant: 'regional' is outside the matrix; add it to `variants`, or",
        ),
        ({"baseline": {}}, "baseline: found {}"),
        ({"rounds": 0}, "rounds: found 0"),
        ({"rounds": 2.0}, "rounds: found 2.0, expected an integer"),
        ({"batch_sizes": [4.0]}, "batch_sizes[0]: found 4.0, expected an integer"),
        (
            {"tables": {"columns": [{"torch": "auto", "variant": "eager"}]}},
            "tables.columns[0].torch: unknown name 'auto'",
        ),
        ({"tables": {"unit": "fps"}}, "tables.unit: found 'fps', expected it/s, s/it"),
        ({"scale": "huge"}, "scale: found 'huge', expected tiny or full"),
        ({"threads": 0}, "threads: found 0, expected an integer of 1 or more, or null"),
        ({"threads": 4096}, "config: threads: found 4096, but this process may use"),
        ({"cache": "warm"}, "cache: found 'warm', expected shared or fresh"),
        ({"keep_caches": "no"}, "keep_caches: found 'no', expected true or false"),
        ({"weights": "none"}, "weights: found 'none', expected random or pretrained"),
        ({"exclude": [{"pipeline": "sdxl"}]}, "exclude[0].pipeline: 'sdxl' is outside the matrix"),
        ({"exclude": [{"pipeline": ["if", "sdxl"]}]}, "exclude[0].pipeline: 'sdxl' is outside the matrix"),
        ({"exclude": [{"variant": []}]}, "exclude[0].variant: found [], expected a name, or a list of names"),
        ({"exclude": [{"variant": "eager"}, {"variant": "compile"}]}, "exclude: leaves no cell"),
        ({"measurement": {"calls": 5, "warmup_calls": 3}}, "measurement: missing key max_warmup_calls"),
        (
            {"measurement": {**CONFIG["measurement"], "calls": 99}},
            "measurement.max_calls: found 30, fewer than the 99 of calls",
        ),
        (
            {"measurement": {**CONFIG["measurement"], "max_warmup_calls": 2}},
            "measurement.max_warmup_calls: found 2, fewer than the 3 of warmup_calls",
        ),
        ({"measurement": {**CONFIG["measurement"], "target_percent": 0}}, "measurement.target_percent: found 0"),
        ({"measurement": {**CONFIG["measurement"], "time_limit_s": -1}}, "measurement.time_limit_s: found -1"),
    ],
)
def test_bad_config_is_one_line(keys, message):
    with pytest.raises(DiffbenchError) as caught:
        Plan(changed(**keys))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_auto_may_be_excluded_and_be_the_baseline():
    plan = Plan(
        changed(exclude=[{"torch": "auto", "variant": "compile"}], baseline={"torch": "auto", "variant": "eager"})
    )
    assert len(plan.cells) == 12
    assert plan.config["baseline"] == {"torch": "installed", "variant": "eager"}


def test_what_a_random_run_does_not_use_is_no_part_of_its_definition(tmp_path):
    for folder in ("config", "resources"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    file = tmp_path / "config/pipelines.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("revision: null", f"revision: {'a' * 40}"), encoding="utf-8"
    )
    assert Plan(changed(), tmp_path).definitions == Plan(changed()).definitions


def test_a_run_finds_the_definition_that_was_planned_also_for_a_target_without_a_point():
    from diffbench.catalogue.definition import STOPPING, digest, resolve
    from diffbench.commands.measure import parse_arguments

    settings = {**CONFIG["measurement"], "target_percent": 1}
    plan = Plan(changed(measurement=settings))
    options = [f"--{key.replace('_', '-')}={settings[key]}" for key in STOPPING]
    arguments = parse_arguments(["--pipeline=if", "--batch-size=1", "--variant=eager", "--output=/tmp/none", *options])
    found = resolve("if", 1, "eager", "random", "tiny", {key: getattr(arguments, key) for key in STOPPING})
    assert digest(found) == plan.definitions["if", 1, "native", "eager"]


def test_the_bare_command_line_defines_a_cell_as_the_default_config_does():
    from diffbench.catalogue.definition import STOPPING, digest, resolve
    from diffbench.commands.measure import parse_arguments

    arguments = parse_arguments(["--pipeline=sd-txt2img", "--batch-size=1", "--variant=eager", "--output=/tmp/none"])
    settings = {key: getattr(arguments, key) for key in STOPPING}
    found = resolve("sd-txt2img", 1, "eager", arguments.weights, arguments.scale, settings)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    assert digest(found) == Plan(config).definitions["sd-txt2img", 1, "native", "eager"]


def test_threads_are_the_configs_or_the_jobs_or_this_machines():
    gpus = {"gpus": ["CPU", "A100"]}
    assert Plan(changed(**gpus, threads=3)).threads("A100", cluster=True) == 3
    assert Plan(changed(**gpus)).threads("A100", cluster=True) == 8, "its `job.cpus`"
    assert Plan(changed(**gpus)).threads("CPU", cluster=False) == default_threads()
    assert Plan(changed(**gpus, threads=4096)).threads("A100", cluster=False) == 4096, (
        "the A100's machine may have them"
    )


def test_fresh_caches_are_a_plan_of_their_own_for_what_compiles():
    plan, fresh = Plan(changed()), Plan(changed(cache="fresh"))
    differing = {key[-1] for key, found in plan.definitions.items() if fresh.definitions[key] != found}
    assert differing == {"compile"}


def test_definitions_tell_variants_batches_and_settings_apart():
    plan = Plan(changed())
    assert len(set(plan.definitions.values())) == 24
    longer = Plan(changed(measurement={**CONFIG["measurement"], "calls": 7}))
    assert not set(plan.definitions.values()) & set(longer.definitions.values())
    stricter = Plan(changed(measurement={**CONFIG["measurement"], "target_percent": 1}))
    assert not set(plan.definitions.values()) & set(stricter.definitions.values())
    patient = Plan(changed(measurement={**CONFIG["measurement"], "time_limit_s": 9}))
    assert patient.definitions == plan.definitions


@pytest.mark.parametrize(("asked", "other"), [("auto", "add --use-conda"), ("installed", "name a release as the")])
def test_a_python_without_torch_measures_nothing(asked, other):
    check_installed([asked], {"torch": "2.13.0"}.get)
    with pytest.raises(SetupError, match=rf"^torch is not installed in {sys.executable}; .*`make setup`.*; or {other}"):
        check_installed([asked], {}.get)
