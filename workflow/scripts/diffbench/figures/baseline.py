"""What figures of speed-ups compare: columns with the columns of their baseline."""

import pandas as pd

from diffbench.catalogue.labels import Labels
from diffbench.data.types import Baseline
from diffbench.tables.cells import name_baseline
from diffbench.tables.keys import Column
from diffbench.tables.tables import columns_of


def compared_columns(summary: pd.DataFrame, baseline: Baseline) -> list[Column]:
    """The columns without the baseline's, whose speed-up is 1 everywhere; all if there are no others."""
    columns = columns_of(summary)
    return [column for column in columns if base_of(column, baseline) != column] or columns


def base_of(column: Column, baseline: Baseline) -> Column:
    """The column that a column's speed-up is against."""
    return Column(baseline.get("torch", column.torch), baseline.get("variant", column.variant))


def title_of(summary: pd.DataFrame, labels: Labels, baseline: Baseline, of: str = "") -> str:
    """`Speed-up over no compile, same torch build`; `of` says of what."""
    same = ", same torch build" if "torch" not in baseline and summary["torch"].nunique() > 1 else ""
    return f"Speed-up{of} over {name_baseline(baseline, labels)}{same}"
