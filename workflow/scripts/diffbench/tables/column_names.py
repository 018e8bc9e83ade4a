"""The printed names of a table's columns and of its pipelines' stages."""

from functools import lru_cache

import pandas as pd

from diffbench.catalogue.labels import Labels, label_of, torch_label
from diffbench.data.types import Row

NAMED = ["pipeline", "stage", "torch", "variant"]  # the columns that name a cell in a table


class Names:
    """The printed names in `part`, rows of a summary; `row` has the columns NAMED."""

    def __init__(self, part: pd.DataFrame, labels: Labels) -> None:
        self.labels, self.staged = labels, set(part.loc[part["stage"] > 1, "pipeline"])
        self.torch = lru_cache(lambda torch: torch_label(part, torch))

    def column(self, torch: str, variant: str) -> list[str]:
        """Torch build and variant: the lines of a column's header."""
        return [f"torch {self.torch(torch)}", label_of(self.labels, "variants", variant)]

    def stage(self, row: Row) -> str:
        """`IF, stage 2`; only the pipeline's name if it has one stage."""
        name = label_of(self.labels, "pipelines", row["pipeline"])
        return f"{name}, stage {row['stage']}" if row["pipeline"] in self.staged else name

    def cell(self, row: Row) -> str:
        """`IF, stage 2, torch 2.0 compile`."""
        return f"{self.stage(row)}, {' '.join(self.column(row['torch'], row['variant']))}"
