"""Published datasets: facts copied from a page, which are read as a summary."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from diffbench.catalogue.labels import Labels
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.data.csv_text import POSITIVE_INTEGER, check_all, check_numbers, line_of, read_table
from diffbench.data.errors import ReportError
from diffbench.data.sizes import sized
from diffbench.data.types import AnyPath, Baseline
from diffbench.vocabulary.columns import KEY, SUMMARY_COLUMNS, SUMMARY_NUMBERS
from diffbench.vocabulary.units import ITERATIONS

from .speedup import speedups

FACTS = [*KEY, "status", "phase", "iterations_per_second", "text", "mark"]


class About(TypedDict):
    """The source of a dataset: `title`, `source` and `baseline`, the meanings of the `marks` on its rows, and the constant
    `columns` of a published one."""

    title: str
    source: str
    baseline: Baseline
    marks: dict[str, str]
    columns: dict[str, Any]
    url: NotRequired[str]
    command: NotRequired[str]


ABOUT = ("title", "source", "baseline")


def read_about(path: AnyPath) -> About:
    """The description of a dataset in resources/published/<name>.yaml or resources/measured/<name>/about.yaml: title, source and
    baseline; `marks` on its rows and constant `columns`, if it has any.

    Raises ReportError if a key is missing.
    """
    content = {"marks": {}, "columns": {}} | read_yaml(path)
    missing = [key for key in ABOUT if key not in content]
    if missing:
        raise ReportError(f"{path}: missing key {', '.join(missing)}; add it")
    about: About = {**content}  # type: ignore[typeddict-item]
    return about


def with_about(labels: Labels, about: About | None) -> Labels:
    """The labels with the source and marks of a dataset, if it has any."""
    return {**labels, "source": about["source"], "marks": about["marks"]} if about else labels


def read_published(path: AnyPath) -> pd.DataFrame:
    """The summary of resources/published/<name>.csv, with the constant columns of the <name>.yaml next to it.

    Values keep their printed text. Raises ReportError if the file has other columns or a value that is not a number.
    """
    about = read_about(Path(path).with_suffix(".yaml"))
    remedy = "copy the page's facts again"
    facts = read_table(path, "published facts", FACTS, remedy)
    for column in ("batch_size", "stage"):
        check_all(path, facts[column], facts[column].str.fullmatch(POSITIVE_INTEGER), "a whole number above 0", remedy)
    rates = check_numbers(path, facts, ["iterations_per_second"], remedy, "positive")["iterations_per_second"]
    printed = pd.to_numeric(facts["text"], errors="coerce")
    check_all(path, facts["text"], printed.isna() | (printed == rates), "the number of iterations_per_second", remedy)
    twice = facts.duplicated(KEY)
    if twice.any():
        row = int(twice.to_numpy().argmax())
        raise ReportError(f"{path}:{line_of(path, row, remedy)}: the same cell appears twice; {remedy}")
    wrong = rates.isna() != (facts["status"] != "ok")
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        found = f"found {facts['text'].iloc[row]!r} with status {facts['status'].iloc[row]!r}"
        raise ReportError(
            f"{path}:{line_of(path, row, remedy)}: iterations_per_second: {found}; expected a number if the status is ok, "
            "and none otherwise"
        )
    unknown = set(facts["mark"]) - {"", *about["marks"]}
    if unknown:
        raise ReportError(
            f"{path}: mark {unknown.pop()!r} is not explained; expected one of {', '.join(about['marks'])}"
        )
    summary = facts.reindex(columns=SUMMARY_COLUMNS).assign(
        iterations_per_second=rates,
        batch_size=facts["batch_size"].astype(int),
        stage=facts["stage"].astype(int),
        rounds=0,
    )
    summary = summary.assign(**about["columns"], detail="", definition="", device_name="", torch_version="", threads="")
    texts = [column for column in SUMMARY_COLUMNS if column not in SUMMARY_NUMBERS]
    summary[texts] = summary[texts].astype(object).where(summary[texts].notna(), "")
    speedup = speedups(summary, about["baseline"])
    return sized(summary.assign(speedup=speedup, speedup_unit=np.where(np.isnan(speedup), "", ITERATIONS)))
