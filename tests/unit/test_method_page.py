"""docs/method.md explains every column, status, badge, verdict and threshold that there is."""

import re

import pytest
import yaml

from conftest import ROOT
from diffbench.measurement.gpu_samples import LIMITS
from diffbench.statistics import flag_kinds, speedup
from diffbench.system.environment_variables import REFUSED, describe_recorded, is_needed, is_removed
from diffbench.vocabulary import statuses, thresholds
from diffbench.vocabulary.badges import BADGES
from diffbench.vocabulary.columns import (
    CALL_COLUMNS,
    CEILING_COLUMNS,
    COLUMNS,
    FIDELITY_COLUMNS,
    MINUTE_COLUMNS,
    RUN,
    SUMMARY_COLUMNS,
)
from diffbench.vocabulary.units import RATES

PAGE = (ROOT / "docs/method.md").read_text(encoding="utf-8")
CONFIG = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))["properties"]
FILES = {
    "run.csv": COLUMNS,
    "calls.csv": CALL_COLUMNS,
    "fidelity.csv": FIDELITY_COLUMNS,
    "ceilings": CEILING_COLUMNS,
    "minutes.csv": MINUTE_COLUMNS,
    "summary.csv": SUMMARY_COLUMNS,
}
WORDS = {
    "statuses": list(statuses.BY_NAME),
    "reasons to stop": list(filter(None, RUN["stopped_by"].type.values)),
    "caches": list(filter(None, RUN["cache"].type.values)),
    "limits of a clock": list(LIMITS.values()),
    "kinds of calls": ["first", "warmup", "call"],
    "verdicts": ["faster", "slower", "same", "unclear"],
    "badges": list(BADGES),
    "roofs": ["compute", "memory"],
    "break-evens": ["at once", "never"],
    "flags": list(flag_kinds.REMEDIES),
    "comparisons": [speedup.PAIRED, speedup.WELCH],
    "units of speed-ups": list(RATES),
}


@pytest.mark.parametrize("name", FILES)
def test_every_column_is_explained(name):
    assert not [column for column in FILES[name] if f"`{column}`" not in PAGE]


@pytest.mark.parametrize("name", WORDS)
def test_every_word_that_is_printed_is_explained(name):
    assert not [word for word in WORDS[name] if f"`{word}`" not in PAGE]


def test_verdicts_and_badges_stand_in_their_tables():
    for kind in ("verdict", "fidelity"):
        table = PAGE.split(f"| `{kind}` | ")[-1].split("\n\n")[0]
        assert not [word for word in WORDS["verdicts" if kind == "verdict" else "badges"] if f"`{word}`" not in table]


def test_every_threshold_stands_with_its_value():
    for name, value in vars(thresholds).items():
        if name.isupper():
            (cell,) = (line.split(" | ")[1] for line in PAGE.splitlines() if line.startswith(f"| `{name}` | "))
            numbers = [float(word) for word in cell.split() if word[0].isdigit()]
            assert numbers == (list(value.values()) if isinstance(value, dict) else [value]), name


def test_the_readme_of_the_config_has_every_key():
    readme = (ROOT / "config/README.md").read_text(encoding="utf-8")
    nested = {key: list(rule["properties"]) for key, rule in CONFIG.items() if key in ("measurement", "tables")}
    keys = [f"{key}.{inner}" for key in CONFIG for inner in nested.get(key, [])]
    assert not [key for key in [*keys, *(CONFIG.keys() - nested.keys())] if f"| `{key}` |" not in readme]


def variables_of(row):
    """The variables that a row of the table names in its first column; any letter stands for the star of a family."""
    return [name.replace("*", "X") for name in re.findall(r"`([A-Z_*]+)`", row.split(" | ")[0])]


def test_the_table_of_environment_variables_is_what_happens():
    table = PAGE.split("| variables | what happens |")[1].split("\n\n")[0].splitlines()[2:]
    refused, removed, machine, needed, others = map(variables_of, table)
    assert refused == list(REFUSED)
    assert removed and all(map(is_removed, removed))
    assert machine and all(is_needed(name) and describe_recorded({name: "1"}) for name in machine)
    assert machine and not any(
        map(is_needed, re.findall(r"`(OMP_[A-Z_]+)`", PAGE.split("**CPU threads.**")[1].split("\n\n")[0]))
    )
    assert needed and all(is_needed(name) and not describe_recorded({name: "1"}) for name in needed)
    assert others and not any(is_needed(name) or is_removed(name) for name in others)
