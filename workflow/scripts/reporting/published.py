"""Published datasets: facts copied from a page, which enter where measured ones have their summary."""

from pathlib import Path

import numpy as np
import pandas as pd

from measurement.yaml_file import read_yaml
from sizes import sized, with_size

from .errors import ReportError
from .speedup import ITERATIONS, KEY, speedups
from .summary import COLUMNS, NUMBERS

FACTS = [*KEY, "status", "phase", "iterations_per_second", "text", "mark"]
ABOUT = ("title", "source", "baseline")


def read_about(path):
    """What is said of a dataset in resources/published/<name>.yaml or resources/measured/<name>/about.yaml: title, source and
    baseline; `marks` on its rows and constant `columns`, if it has any.

    Raises ReportError where a key is missing.
    """
    about = {"marks": {}, "columns": {}} | read_yaml(path)
    missing = [key for key in ABOUT if key not in about]
    if missing:
        raise ReportError(f"{path}: missing key {', '.join(missing)}; add it")
    return about


def read_published(path):
    """The summary of resources/published/<name>.csv, with the constant columns of the <name>.yaml beside it.

    Values keep their printed text. Raises ReportError where the file has other columns or a value that is no number.
    """
    about = read_about(Path(path).with_suffix(".yaml"))
    facts = with_size(pd.read_csv(path, dtype=str, keep_default_na=False))
    if set(facts.columns) != set(FACTS):
        raise ReportError(f"{path}: found columns {', '.join(facts.columns)}; expected {', '.join(FACTS)}")
    rates = pd.to_numeric(facts["iterations_per_second"].replace("", None), errors="coerce")
    wrong = facts[rates.isna() != (facts["status"] != "ok")]
    if len(wrong):
        value = wrong["iterations_per_second"].iloc[0]
        raise ReportError(
            f"{path}:{wrong.index[0] + 2}: iterations_per_second: found {value!r}; expected a number where ok"
        )
    unknown = set(facts["mark"]) - {"", *about["marks"]}
    if unknown:
        raise ReportError(
            f"{path}: mark {unknown.pop()!r} is not explained; expected one of {', '.join(about['marks'])}"
        )
    summary = facts.reindex(columns=COLUMNS).assign(
        iterations_per_second=rates,
        batch_size=facts["batch_size"].astype(int),
        stage=facts["stage"].astype(int),
        rounds=0,
    )
    summary = summary.assign(**about["columns"], detail="", definition="", device_name="", torch_version="", threads="")
    texts = [column for column in COLUMNS if column not in NUMBERS]
    summary[texts] = summary[texts].astype(object).where(summary[texts].notna(), "")
    speedup = speedups(summary, about["baseline"])
    return sized(summary.assign(speedup=speedup, speedup_unit=np.where(np.isnan(speedup), "", ITERATIONS)))
