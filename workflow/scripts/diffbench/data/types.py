"""The types that several parts of reporting share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

AnyPath = str | Path
Row = dict[str, Any]  # {column: value}: a row of a DataFrame
Texts = Mapping[str, Sequence[str]]  # {column: values}: rows of a CSV before their values are converted
Baseline = dict[str, str]  # {axis: name}: what speed-ups are measured against
