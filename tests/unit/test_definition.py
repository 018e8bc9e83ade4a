"""What a definition is made of: what counts, what does not, and what the catalogues refuse."""

import pytest
import yaml

from diffbench.catalogue.definition import (
    architecture,
    check_limits,
    command_line_option,
    default_stopping,
    digest,
    entry,
    needs_files,
    planned_digest,
    recipe_of,
    resolve,
)
from diffbench.mechanisms.dtype import dtype_of
from diffbench.mechanisms.registry import compiles
from diffbench.vocabulary.errors import DiffbenchError

SETTINGS = default_stopping()
FROM_HUB = {"class": "P", "hub_id": "owner/name", "revision": "1" * 40, "modules": ["unet"], "steps": 50, "call": {}}
OF_ARCHITECTURE = {
    **FROM_HUB,
    "architecture": "small",
    "call": {"prompt": "a castle", "strength": 1},
    "fp16_variant": True,
    "gated": True,
    "blocks": ["Block"],
    "fixed_size": True,
    "drop": ["tokenizer"],
    "components": {"controlnet": {"hub_id": "owner/other", "gated": True, "fp16_variant": True}},
}
SECOND = {**FROM_HUB, "architecture": "small", "batched": False, "dtype": "bfloat16"}
SMALL = {
    "base": "plain",
    "components": {"unet": {"class": "Small"}},
    "parameters": {"unet": 10},
    "steps": 6,
    "call": {"strength": 2},
}
PLAIN = {"components": {"unet": {"class": "Large"}, "vae": {"class": "VAE"}}, "parameters": {"unet": 90, "vae": 1}}


@pytest.fixture
def write(tmp_path):
    """Writes a catalogue or an architecture; returns the root of all of them."""

    def write(name, content):
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def root(write):
    write("config/pipelines", {"two": {"stages": [OF_ARCHITECTURE, SECOND]}, "hub": {"stages": [FROM_HUB]}})
    write("config/variants", {"eager": {"label": "eager"}, "regional": {"regional": {}}, "few": few(4), "many": few(9)})
    write("resources/architectures/tiny/plain", PLAIN)
    return write("resources/architectures/tiny/small", SMALL)


def few(steps):
    return {"scheduler": {"class": "S", "steps": steps}}


def resolved(root, pipeline="two", variant="eager", weights="random", scale="tiny", batch_size=1, **keys):
    return resolve(pipeline, batch_size, variant, weights, scale, root=root, **keys)


def test_a_random_run_is_defined_by_its_architecture_and_by_nothing_that_it_does_not_use(root):
    first, second = resolved(root)["stages"]
    assert first == {
        "class": "P",
        "modules": ["unet"],
        "steps": 6,
        "call": {"prompt": "a castle", "strength": 2},
        "architecture": {"components": {"unet": {"class": "Small"}, "vae": {"class": "VAE"}}},
        "number": 1,
    }
    assert (second["number"], second["dtype"]) == (2, "bfloat16")


def test_a_pretrained_run_is_defined_by_its_files_but_not_by_who_may_fetch_them(root):
    first, _ = resolved(root, weights="pretrained", scale="full")["stages"]
    controlnet = {"hub_id": "owner/other", "fp16_variant": True}
    expected = {**OF_ARCHITECTURE, "components": {"controlnet": controlnet}, "number": 1}
    for key in ("architecture", "gated", "blocks", "fixed_size"):
        del expected[key]
    assert first == expected


def test_files_in_half_precision_are_no_part_of_a_random_run(root):
    stage = {**FROM_HUB, "fp16_variant": True}
    (root / "config/pipelines.yaml").write_text(yaml.safe_dump({"hub": {"stages": [stage]}}), encoding="utf-8")
    (found,) = resolved(root, "hub", scale="full")["stages"]
    assert found == {**FROM_HUB, "number": 1}


def test_blocks_count_where_they_are_compiled_and_a_fixed_size_where_one_is_named(root):
    assert resolved(root, variant="regional")["stages"][0]["blocks"] == ["Block"]
    assert "blocks" not in resolved(root)["stages"][0]
    sized = resolved(root, size="64x64")
    assert (sized["size"], sized["stages"][0]["fixed_size"]) == ("64x64", True)
    assert "size" not in resolved(root)


@pytest.mark.parametrize(("variant", "steps"), [("eager", 6), ("few", 4), ("many", 6)])
def test_a_scheduler_takes_its_own_number_of_steps_unless_the_pipeline_has_fewer(root, variant, steps):
    assert [stage["steps"] for stage in resolved(root, variant=variant)["stages"]] == [steps, steps]


def test_a_stage_that_takes_no_batch_is_left_out_above_batch_size_1(root):
    assert [stage["number"] for stage in resolved(root, batch_size=2)["stages"]] == [1]
    assert [stage["number"] for stage in resolved(root, batch_size=1)["stages"]] == [1, 2]


def test_settings_are_those_of_the_measurement_alone_and_a_target_is_a_float(root):
    settings = {**SETTINGS, "target_percent": 1, "time_limit_s": 9}
    found = resolved(root, settings=settings)["measurement"]
    assert found == {**SETTINGS, "target_percent": 1.0} and isinstance(found["target_percent"], float)
    assert resolved(root)["measurement"] == SETTINGS


def test_which_random_weights_they_are_is_part_of_a_random_run_alone(root):
    assert resolved(root)["random_weights"] == 2
    assert "random_weights" not in resolved(root, weights="pretrained", scale="full")


def test_a_cache_counts_where_something_compiles_and_it_is_not_the_default(root):
    assert resolved(root, variant="regional", cache="fresh")["cache"] == "fresh"
    assert "cache" not in resolved(root, cache="fresh")
    assert "cache" not in resolved(root, variant="regional", cache="shared")


@pytest.mark.parametrize(
    ("pipeline", "weights", "message"),
    [
        ("two", "pretrained", "weights: pretrained weights of owner/name are not miniature: set 'scale: full'"),
        ("hub", "random", "weights: hub has no architecture, and the files of owner/name are not miniature"),
    ],
)
def test_the_hub_has_no_miniatures_but_a_folder_is_what_it_is(root, tmp_path, pipeline, weights, message):
    with pytest.raises(DiffbenchError, match=message):
        resolved(root, pipeline, weights=weights)
    local = {"hub": {"stages": [{**FROM_HUB, "hub_id": str(tmp_path)}]}}
    (root / "config/pipelines.yaml").write_text(yaml.safe_dump(local), encoding="utf-8")
    assert resolved(root, "hub", weights=weights)["stages"][0]["steps"] == 50


def test_the_planned_hash_is_that_of_the_run(root):
    config = {"weights": "random", "scale": "tiny", "measurement": {**SETTINGS, "calls": 7}}
    run = resolve("two", 2, "regional", "random", "tiny", config["measurement"], root, "64x64")
    assert planned_digest(config, "two", 2, "64x64", "regional", root) == digest(run)
    fresh = {**config, "cache": "fresh"}
    assert planned_digest(fresh, "two", 2, "64x64", "regional", root) == digest({**run, "cache": "fresh"})


def test_the_hash_is_that_of_the_content_in_whatever_order():
    assert digest({"b": "\u00e9", "a": 1}) == digest({"a": 1, "b": "\u00e9"}) == "fb0782fb7a8a"
    assert digest({"a": 2, "b": "\u00e9"}) != digest({"a": 1, "b": "\u00e9"})


def test_a_variant_takes_over_its_base_less_what_it_sets_to_null(write):
    variants = {
        "first": {"label": "1", "note": "n", "dtype": "half", "attention": "math", "vae": ["slicing"]},
        "second": {"group": "g", "base": "first", "attention": None, "dtype": "float16"},
        "third": {"base": "second", "caching": {"config": "C"}},
    }
    root = write("config/variants", variants)
    assert recipe_of("third", root) == {"dtype": "float16", "vae": ["slicing"], "caching": {"config": "C"}}


def test_bases_that_lead_back_are_refused(write):
    root = write("config/variants", {"a": {"base": "b"}, "b": {"base": "a"}})
    with pytest.raises(DiffbenchError, match="config/variants.yaml: a: its bases lead back to a"):
        recipe_of("a", root)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("compile", "regional"),
        ("cuda_graph", "compile"),
        ("cuda_graph", "regional"),
        ("cuda_graph", "offload"),
        ("cuda_graph", "caching"),
        ("cuda_graph", "sdpa_backend"),
        ("compile", "sdpa_backend"),
        ("regional", "sdpa_backend"),
    ],
)
def test_mechanisms_that_undo_or_hide_each_other_are_refused(write, one, other):
    root = write("config/variants", {"both": {"base": "half", other: {}}, "half": {one: {}}})
    with pytest.raises(DiffbenchError, match=f"config/variants.yaml: both: {one} and {other} do not go together"):
        recipe_of("both", root)
    assert recipe_of("half", root) == {one: {}}


def test_an_unknown_name_is_refused_with_those_there_are(write):
    root = write("config/variants", {"eager": {}, "compile": {}})
    with pytest.raises(DiffbenchError, match="unknown variant 'turbo'; config/variants.yaml has: compile, eager"):
        entry("variants", "turbo", root)


def test_an_architecture_replaces_components_of_its_base_one_by_one_and_its_sizes_as_a_whole(write):
    write("resources/architectures/full/plain", {**PLAIN, "steps": 50})
    root = write("resources/architectures/full/small", {**SMALL, "steps": 6})
    assert architecture("small", "full", root) == {
        "components": {"unet": {"class": "Small"}, "vae": {"class": "VAE"}},
        "parameters": {"unet": 10},
        "steps": 6,
        "call": {"strength": 2},
    }


@pytest.mark.parametrize(("asked", "gpu", "cpu"), [(None, "bfloat16", "float32"), ("half", "bfloat16", "bfloat16")])
def test_a_stage_has_its_own_dtype_on_a_gpu_and_on_a_cpu_where_it_is_asked_for(asked, gpu, cpu):
    recipe = {"dtype": asked} if asked else {}
    assert dtype_of({"dtype": "bfloat16"}, recipe, is_cpu=False) == gpu
    assert dtype_of({"dtype": "bfloat16"}, recipe, is_cpu=True) == cpu
    assert dtype_of({}, {"dtype": "half"}, is_cpu=True) == dtype_of({}, {}, is_cpu=False) == "float16"


@pytest.mark.parametrize("is_cpu", [True, False])
@pytest.mark.parametrize("dtype", ["tf32", "float32"])
def test_a_variants_dtype_is_that_of_every_stage(dtype, is_cpu):
    assert dtype_of({"dtype": "bfloat16"}, {"dtype": dtype}, is_cpu) == dtype


@pytest.mark.parametrize("mechanism", ["compile", "regional", "compile_vae", "compile_text_encoder"])
def test_what_compiles(mechanism):
    assert compiles({mechanism: {}})


@pytest.mark.parametrize("mechanism", ["cuda_graph", "caching", "attention", "quantization"])
def test_what_does_not_compile(mechanism):
    assert not compiles({mechanism: {}})


@pytest.mark.parametrize(
    ("stage", "weights", "needed"),
    [({"architecture": "a"}, "random", False), ({"architecture": "a"}, "pretrained", True), ({}, "random", True)],
)
def test_files_are_needed_for_pretrained_weights_and_where_there_is_no_architecture(stage, weights, needed):
    assert needs_files(stage, weights) is needed


@pytest.mark.parametrize("key", ["warmup_calls", "calls"])
def test_a_most_may_be_as_large_as_its_least_and_not_smaller(key):
    equal = {**SETTINGS, key: 4, f"max_{key}": 4}
    check_limits(equal)
    with pytest.raises(DiffbenchError) as caught:
        check_limits({**equal, f"max_{key}": 3}, "mine: ", command_line_option)
    dashes = key.replace("_", "-")
    assert str(caught.value) == f"mine: --max-{dashes}: found 3, fewer than the 4 of --{dashes}; raise it"
