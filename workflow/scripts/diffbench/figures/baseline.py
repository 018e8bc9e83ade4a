"""The columns that figures of speed-ups compare, and the columns of their baselines."""

import pandas as pd

from diffbench.catalogue.labels import Labels
from diffbench.data.types import Baseline
from diffbench.tables.cells import name_baseline
from diffbench.tables.keys import Column
from diffbench.tables.tables import columns_of


def compared_columns(summary: pd.DataFrame, baseline: Baseline) -> list[Column]:
    """All columns except the baseline's, whose speed-up is always 1; all columns if there are no others."""
    columns = columns_of(summary)
    return [column for column in columns if base_of(column, baseline) != column] or columns


def base_of(column: Column, baseline: Baseline) -> Column:
    """The column of a column's baseline."""
    return Column(baseline.get("torch", column.torch), baseline.get("variant", column.variant))


def title_of(summary: pd.DataFrame, labels: Labels, baseline: Baseline, of: str = "") -> str:
    """`Speed-up over no compile, same torch build`; `of` names the column."""
    same = ", same torch build" if "torch" not in baseline and summary["torch"].nunique() > 1 else ""
    return f"Speed-up{of} over {name_baseline(baseline, labels)}{same}"
