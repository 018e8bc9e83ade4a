"""What each mechanism declares, and what the schema, the catalogue, the recipe and the documentation make of it."""

from types import SimpleNamespace

import pytest
import torch

from diffbench.catalogue.definition import catalogue, recipe_of
from diffbench.catalogue.schema_checks import check
from diffbench.data.errors import ReportError
from diffbench.documents.directives import Renderer
from diffbench.documents.filling import update
from diffbench.libraries.releases import is_older
from diffbench.mechanisms import quantization
from diffbench.mechanisms.python_lines import Code
from diffbench.mechanisms.quantization import QUANTIZATION, Library, schema
from diffbench.mechanisms.registry import LIBRARIES, MECHANISMS, compiles, conflicts_of, setting_schemas
from diffbench.tables.recipe import write_recipe
from diffbench.vocabulary.columns import RUN
from diffbench.vocabulary.errors import DiffbenchError, SetupError

ALSO = ("label", "note", "group", "base")


def code_of(modules=("unet",), device="cpu", **versions):
    code = Code(device, {"torch": None, "diffusers": None, "transformers": None, **versions})
    code.stage = {"modules": list(modules)}
    return code


def variants_with(setting, name):
    return {"one": {"label": "one", name: setting}}


def test_the_catalogue_uses_every_mechanism_and_no_other_key():
    keys = {key for variant in catalogue("variants").values() for key in variant}
    assert keys - set(ALSO) == set(MECHANISMS)


def test_conflicts_name_mechanisms_and_no_pair_twice():
    pairs = [frozenset(pair) for pair in conflicts_of(dict.fromkeys(MECHANISMS))]
    assert len(pairs) == len(set(pairs)) == 8
    assert {name for mechanism in MECHANISMS.values() for name in mechanism.conflicts} <= set(MECHANISMS)


@pytest.mark.parametrize("name", MECHANISMS)
def test_null_takes_away_each_mechanism_and_a_wrong_setting_says_what_is_expected(name):
    pytest.importorskip("jsonschema")
    check(variants_with(None, name), "variants", "variants.yaml")
    with pytest.raises(DiffbenchError, match=rf"one\.{name}: found -3, expected \w"):
        check(variants_with(-3, name), "variants", "variants.yaml")


@pytest.mark.parametrize("variant", catalogue("variants"))
def test_every_setting_of_the_catalogue_fits_the_schema_of_its_mechanism(variant):
    jsonschema = pytest.importorskip("jsonschema")
    for name, setting in recipe_of(variant).items():
        jsonschema.validate(setting, MECHANISMS[name].schema)
        assert set(MECHANISMS[name].schema) <= set(setting_schemas()[name])


def test_what_compiles_is_declared():
    names = [name for name in MECHANISMS if compiles({name: {}})]
    assert names == ["regional", "compile", "compile_vae", "compile_text_encoder"]


# quantization libraries


def third_library(monkeypatch):
    """Adds a library whose classes are named by `layer` too."""

    def write(code, setting):
        code.add(f"third({setting['layer']})")

    monkeypatch.setitem(quantization.LIBRARIES, "third", Library("layer", None, write))


def test_a_third_library_has_its_own_schema_and_lines(monkeypatch):
    third_library(monkeypatch)
    code, setting = code_of(), {"library": "third", "layer": "A"}
    QUANTIZATION.write_lines(code, setting)
    assert code.lines == ["third(A)"]
    jsonschema = pytest.importorskip("jsonschema")
    rule = schema()
    jsonschema.validate(setting, rule)
    for wrong in ({"library": "third"}, {"library": "third", "config": "A"}, {"library": "fourth", "layer": "A"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, rule)
    assert rule["expected"].endswith("or third with its layer")


def test_an_unknown_library_is_an_error_and_not_the_lines_of_another():
    setting, expected = (
        {"library": "third", "layer": "A"},
        "quantization.library: found 'third', expected one of torchao",
    )
    with pytest.raises(DiffbenchError, match=expected):
        QUANTIZATION.write_lines(code_of(), setting)
    with pytest.raises(SetupError, match=expected):
        QUANTIZATION.apply(None, setting)


def test_every_quantization_library_is_recorded_in_a_row():
    assert set(quantization.LIBRARIES) <= set(LIBRARIES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "setting", [{"layer": "Linear4bit", "options": {"quant_type": "nf4"}}, {"layer": "Linear8bitLt"}]
)
def test_layers_of_bitsandbytes_are_made_from_the_dtype_of_the_weights(setting, dtype):
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    setting = {"library": "bitsandbytes", **setting}
    measured, pasted = (torch.nn.Sequential(torch.nn.Linear(64, 64)).to(dtype) for _ in range(2))
    pasted.load_state_dict(measured.state_dict())
    quantization.quantize_by_bitsandbytes(measured, setting, torch.device("cpu"))
    code = code_of()
    QUANTIZATION.write_lines(code, setting)
    exec(code.text(), {"pipe": SimpleNamespace(unet=pasted)})
    layers = measured[0], pasted[0]
    assert len({(type(layer), layer.training, layer.bias.dtype, layer.weight.dtype) for layer in layers}) == 1
    assert torch.equal(*(layer.weight.data for layer in layers))
    states = [getattr(layer.weight, "quant_state", None) for layer in layers]
    assert len({state and state.dtype for state in states}) == 1


# lines that no test can run here


def test_a_torch_before_2_3_has_another_context_for_sdpa():
    for version in ("2.0.1", "2.2.2+cu121"):
        text = write_recipe("sd-txt2img", 1, "sdpa-math", torch_version=version)
        switches = "enable_flash=False, enable_mem_efficient=False, enable_math=True"
        assert f"pipe.unet.forward = torch.backends.cuda.sdp_kernel({switches})(pipe.unet.forward)" in text
        assert "SDPBackend" not in text
    for version in ("2.3.0", "2.13.0+cpu", "", None):
        assert "sdpa_kernel(SDPBackend.MATH)(pipe" in write_recipe("sd-txt2img", 1, "sdpa-math", torch_version=version)


@pytest.mark.parametrize(
    ("version", "older"),
    [("2.2.9", True), ("2.3.0", False), ("2.10.0", False), ("1.13", True), ("", False), (None, False)],
)
def test_a_release_is_older_by_its_numbers(version, older):
    assert is_older(version, (2, 3)) is older


def test_the_lines_of_a_cuda_graph_replace_the_denoisers_forward():
    code, layer = code_of(device="cuda"), torch.nn.Linear(2, 2)
    MECHANISMS["cuda_graph"].write_lines(code, True)
    exec(code.text(), {"pipe": SimpleNamespace(unet=layer)})
    assert layer.forward.__module__ == "diffbench.mechanisms.cuda_graph"


# the documentation


def filled(show):
    return update(
        f"<!-- diffbench:begin mechanisms show={show} -->\n<!-- diffbench:end -->\n", "page.md", Renderer({}, {})
    )


@pytest.mark.parametrize("show", ["settings", "evidence"])
def test_the_documentation_has_a_row_for_each_mechanism(show):
    rows = [line.split(" | ") for line in filled(show).splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == list(MECHANISMS)
    assert all(len(row) == 2 and row[1].endswith(". |") for row in rows)


def test_what_the_table_shows_must_be_known():
    with pytest.raises(ReportError, match="unknown show 'evidenc'; did you mean 'evidence'"):
        filled("evidenc")


def test_the_column_of_libraries_names_every_library():
    meaning = RUN["libraries"].meaning
    assert all(name in meaning for name in LIBRARIES)
