"""What catalogues and configs may say, and how a fault in them is reported: by file, line and key."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from diffbench.catalogue import schema_checks
from diffbench.catalogue.definition import entry
from diffbench.catalogue.schema_checks import (
    CATALOGUES,
    check_catalogues,
    check_config_file,
    read_catalogue,
    with_types,
)
from diffbench.vocabulary.errors import DiffbenchError
from running import MEASURE

GPU = "a100: {{label: A100, pattern: {}}}\n"
VARIANT = "eager: {label: eager}\n"


@pytest.fixture
def root(tmp_path):
    """A root with the project's catalogues."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


def refusal(kind, text, root):
    (root / f"config/{kind}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DiffbenchError) as caught:
        read_catalogue(kind, root)
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 250
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "gpus",
            "x: {label: X}\ny: {label: 4090}\n",
            "2: y.label: found 4090, which YAML reads as a number: put what you",
        ),
        (
            "gpus",
            "auto: {label: X}\n",
            "1: found 'auto', expected a name of letters, digits, '.', '_' and '-', other than auto",
        ),
        ("gpus", "x: {label: X}\nRTX 4090: {label: X}\n", "2: found 'RTX 4090', expected a name of letters"),
        ("gpus", "x:\n  label: X\n  pattrn: X\n", "3: x: unknown key pattrn; expected one of: label, pattern"),
        ("gpus", "x: {label: X, untested: 1}\n", "1: x.untested: found 1, expected true or nothing"),
        ("gpus", "x: {label: X}\ny: {}\n", "2: y: missing key label; add it"),
        ("variants", "all: {label: all}\n", "1: found 'all', expected a name of letters"),
        ("variants", VARIANT + "v: {label: v, dtype: 16}\n", "2: v.dtype: found 16, expected float32, tf32"),
        ("variants", VARIANT + "v: {label: v, cuda_graph: 1}\n", "2: v.cuda_graph: found 1, expected true"),
        ("variants", VARIANT + "v:\n", "2: v: found no value, expected "),
        ("pipelines", "p: {label: p, stages: []}\n", "1: p.stages: found []"),
    ],
)
def test_a_fault_is_reported_with_file_line_and_key(root, kind, text, message):
    assert f"config/{kind}.yaml:{message}" in refusal(kind, text, root)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ('"*A100*"', "'*A100*', which does not compile: nothing to repeat at position 0"),
        ("'('", "'(', which does not compile: missing ), unterminated subpattern"),
        ("'A100++'", "'A100++', whose possessive quantifier or atomic group needs Python 3.11"),
        ("'(?>A100)'", "'(?>A100)', whose possessive quantifier or atomic group needs Python 3.11"),
        ("'A100|'", "'A100|', which fits every device"),
        ("'.*'", "'.*', which fits every device"),
    ],
)
@pytest.mark.parametrize("with_jsonschema", [True, False])
def test_every_pattern_compiles_when_the_catalogue_is_read(root, monkeypatch, pattern, problem, with_jsonschema):
    if not with_jsonschema:
        monkeypatch.setattr(schema_checks, "validator", lambda name: None)
    found = refusal("gpus", "x: {label: X}\n" + GPU.format(pattern), root)
    assert found.startswith("config/gpus.yaml:2: a100.pattern: found ") and "expected a regular expression" in found
    if sys.version_info >= (3, 11) or "3.11" not in problem:
        assert problem in found


@pytest.mark.parametrize("pattern", [r"'\bA100\b(?! NVL)'", r"'\++A'", "'[+]+A[*+]+'", "'[]+]+A'", "'(?i)a100'"])
def test_other_patterns_stay(root, pattern):
    (root / "config/gpus.yaml").write_text(GPU.format(pattern), encoding="utf-8")
    assert list(read_catalogue("gpus", root)) == ["a100"]


def test_every_variant_has_the_base_that_it_names(root):
    assert "unknown variant 'eagr'" in refusal("variants", VARIANT + "v: {label: v, base: eagr}\n", root)


@pytest.mark.parametrize("label", ["X", "' X '"])
@pytest.mark.parametrize("kind", CATALOGUES)
def test_two_entries_with_one_label_are_refused(root, monkeypatch, kind, label):
    monkeypatch.setattr(schema_checks, "check", lambda *others: None)
    found = refusal(kind, f"one: {{label: X}}\ntwo:\n  label: {label}\n", root)
    assert found == (
        f"config/{kind}.yaml:3: two.label: found 'X', also the label of one, expected another; change one of them"
    )


@pytest.mark.parametrize("with_jsonschema", [True, False])
def test_the_catalogues_of_the_project_are_right(monkeypatch, with_jsonschema):
    if not with_jsonschema:
        monkeypatch.setattr(schema_checks, "validator", lambda name: None)
    check_catalogues(ROOT)


@pytest.mark.parametrize("kind", CATALOGUES)
def test_an_environment_without_jsonschema_refuses_an_entry_that_is_none(root, monkeypatch, kind):
    monkeypatch.setattr(schema_checks, "validator", lambda name: None)
    assert f"config/{kind}.yaml: x: found None, expected a mapping" in refusal(kind, "x:\n", root)


def test_a_measurement_by_hand_checks_the_catalogues_as_the_workflow_does(root, tmp_path):
    gpus = root / "config/gpus.yaml"
    gpus.write_text(gpus.read_text(encoding="utf-8") + 'mine: {label: X, pattern: "*X*"}\n', encoding="utf-8")
    cell = ["--pipeline", "sd-txt2img", "--batch-size", "1", "--variant", "eager", "--gpu", "CPU"]
    command = [sys.executable, MEASURE, *cell, "--output", tmp_path / "o", "--root", root]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr.startswith("error: config/gpus.yaml:") and "mine.pattern: found '*X*'" in found.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("kind", "name", "near"), [("variants", "eagr", "eager"), ("pipelines", "sdxl-turob", "sdxl-turbo")]
)
def test_an_unknown_name_is_one_short_line_with_the_nearest(kind, name, near):
    with pytest.raises(DiffbenchError) as caught:
        entry(kind, name)
    assert f"did you mean {near!r}?" in str(caught.value) and len(str(caught.value)) <= 200


def test_a_config_of_ones_own_may_have_any_part_of_the_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("measurement: {calls: 7}\nbaseline: {variant: eager}\n")
    check_config_file(path)
    path.write_text("tables:\n  columns:\n    - {torch: '2.1'}\n")
    with pytest.raises(DiffbenchError, match=r"^mine.yaml:3: tables.columns\[0\]: missing key variant; add it"):
        check_config_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file, expected a mapping of keys to values"),
        ("# a comment\n", "found an empty file, expected a mapping of keys to values"),
        ("- name\n- gpus\n", "found a sequence, expected a mapping of keys to values"),
        ("name\n", "found a scalar, expected a mapping of keys to values"),
    ],
)
def test_a_config_that_is_no_mapping_is_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(DiffbenchError) as caught:
        check_config_file(Path("config.yaml"))
    assert str(caught.value) == f"config.yaml: {message}"


def test_a_config_of_two_documents_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("name: a\n---\nname: b\n")
    with pytest.raises(
        DiffbenchError, match="^config.yaml:2: not valid YAML: but found another document; fix the syntax$"
    ):
        check_config_file(Path("config.yaml"))


def test_a_template_is_checked_once_it_is_a_config(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("__use_yte__: true\n?if True:\n  rounds: 2\n")
    check_config_file(path)


def test_the_command_line_says_what_the_schema_wants():
    assert with_types(
        {
            "name": "5",
            "gpus": ["4090"],
            "batch_sizes": ["1", "4", "four"],
            "threads": "null",
            "exclude": [{"torch": "2", "batch_size": ["1", "4"]}, {"batch_size": "16"}],
            "measurement": {"calls": "7", "target_percent": "0.5", "time_limit_s": "-1", "memory_limit_mib": "null"},
            "tables": {"speedups": "true", "decimals": "3", "columns": [{"torch": "2.1", "variant": "eager"}]},
        }
    ) == {
        "name": "5",
        "gpus": ["4090"],
        "batch_sizes": [1, 4, "four"],
        "threads": None,
        "exclude": [{"torch": "2", "batch_size": [1, 4]}, {"batch_size": 16}],
        "measurement": {"calls": 7, "target_percent": 0.5, "time_limit_s": -1, "memory_limit_mib": None},
        "tables": {"speedups": True, "decimals": 3, "columns": [{"torch": "2.1", "variant": "eager"}]},
    }
