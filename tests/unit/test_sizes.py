"""Other sizes than a pipeline's own: what is planned, and what is refused."""

from types import SimpleNamespace

import pytest

from changed_config import changed
from conftest import WHOLE_CONFIG as CONFIG
from diffbench.catalogue.definition import planned_digest, resolve
from diffbench.plan.matrix import Plan
from diffbench.vocabulary.errors import DiffbenchError
from diffbench.vocabulary.sizes import SIZE
from running import measure


def wildcards_of(path):
    """The wildcards of a run's folder, as Snakemake gives them."""
    texts = {axis: str(value) for axis, value in path.items()}
    return type("Wildcards", (SimpleNamespace,), {"__getitem__": lambda self, key: texts[key]})(**texts)


def test_every_pipeline_is_planned_at_every_size_after_its_batch_size():
    plan = Plan(changed(sizes=["native", "768x1360", "480x832x81"]))
    assert len(plan.cells) == 3 * 24
    first = plan.cells[(plan.cells["pipeline"] == "sd-txt2img") & (plan.cells["variant"] == "eager")]
    assert list(first["size"]) == 2 * ["native", "768x1360", "480x832x81"]
    assert list(first["batch_size"]) == [1, 1, 1, 4, 4, 4]
    assert set(Plan(CONFIG).cells["size"]) == {"native"}


def test_exclude_may_name_a_size_also_where_the_config_names_none():
    plan = Plan(changed(sizes=["native", "64x64"], exclude=[{"pipeline": "if", "size": "64x64"}]))
    assert len(plan.cells) == 2 * 24 - 4
    with pytest.raises(DiffbenchError, match=r"exclude\[0\].size: '64x64' is outside the matrix"):
        Plan(changed(exclude=[{"pipeline": "if", "size": "64x64"}]))


BAD = ("768", "768x", "0x8", "08x8", "8x8x0", "8x8x8x8", "8X8", "8 x 8", "-8x8", "8x8\n", "Native", "")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], "sizes: found [], expected a list of one or more different sizes"),
        ("native", "sizes: found 'native', expected a list"),
        (["native", "native"], "expected a list of one or more different sizes, as in [native, 768x1360]"),
        ([768], "sizes[0]: found 768, expected native, HEIGHTxWIDTH"),
        *(([text], f"sizes[0]: found {text!r}, expected native, HEIGHTxWIDTH or HEIGHTxWIDTHxFRAMES") for text in BAD),
    ],
)
def test_a_bad_size_is_one_line(sizes, message):
    with pytest.raises(DiffbenchError) as caught:
        Plan(changed(sizes=sizes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_refuses_a_bad_size(tmp_path):
    assert not any(map(SIZE.match, BAD))
    result = measure(tmp_path, "--size", "08x8")
    assert result.returncode == 2
    assert "found '08x8', expected native or a size such as 768x1360 or 480x832x81" in result.stderr


def test_runs_at_the_native_size_lie_where_they_always_did():
    plan = Plan(changed(sizes=["64x32", "native"]))
    native, other = Plan(CONFIG).paths, plan.paths
    assert "size" not in other
    assert set(map(tuple, native.values)) < set(map(tuple, other.values))
    assert set(other["pipeline"]) - set(native["pipeline"]) == {f"{name}@64x32" for name in CONFIG["pipelines"]}


def test_every_folder_finds_its_own_definition_and_number():
    plan = Plan(changed(sizes=["native", "64x32"], pipelines=["sd-txt2img", "if"]))
    found = [(plan.definition(each), plan.number(each)) for each in map(wildcards_of, plan.paths.to_dict("records"))]
    assert sorted(number for _, number in found) == list(range(1, len(plan.runs) + 1))
    keys = plan.runs[["pipeline", "batch_size", "size", "variant"]].itertuples(index=False, name=None)
    assert [definition for definition, _ in found] == [planned_digest(plan.config, *key) for key in keys]


def test_a_size_is_part_of_a_definition_unless_it_is_native(tmp_path):
    native = resolve("if", 1, "eager", "random", "tiny")
    assert "size" not in native and not any("fixed_size" in stage for stage in native["stages"])
    other = resolve("if", 1, "eager", "random", "tiny", size="64x64")
    assert other["size"] == "64x64" and all(stage["fixed_size"] for stage in other["stages"])
    plan = Plan(changed(sizes=["native", "64x64", "64x32"]))
    assert len(set(plan.definitions.values())) == 3 * 24
    assert {key: plan.definitions[key] for key in Plan(CONFIG).definitions} == Plan(CONFIG).definitions
