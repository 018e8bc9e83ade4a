"""Everything that is rendered from a summary: the rules `tables` and `figures`, and `so_far`."""

from pathlib import Path

import pandas as pd

from diffbench.catalogue.labels import Labels
from diffbench.data.sizes import unsized
from diffbench.data.types import AnyPath, Baseline
from diffbench.figures.figures import figure_paths, write_figures
from diffbench.statistics.published import About
from diffbench.tables.extended import build_all_extended
from diffbench.tables.formats import FORMATS, to_markdown
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import build_tables

DEFAULT = TableOptions()


def write_tables(
    summary: pd.DataFrame, labels: Labels, folder: AnyPath, options: TableOptions = DEFAULT, about: About | None = None
) -> None:
    """Write tables/<gpu>-batch-<n>.<format> and tables.md into the folder, and tables/<gpu>-batch-<n>-extended.<format> and
    extended.md. `about` names the source, which is above the tables in files with several, and below the table in the others."""
    folder = Path(folder)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    source = [f"Source: {about['source']}."] if about else []
    head = [f"{sentence}\n" for sentence in source]
    for build, suffix, name in ((build_tables, "", "tables.md"), (build_all_extended, "-extended", "extended.md")):
        tables = build(summary, labels, options)
        for (gpu, batch_size), table in tables.items():
            sourced = table._replace(notes=[*table.notes, *source])
            for kind in options.formats:
                path = folder / "tables" / f"{gpu}-batch-{batch_size}{suffix}.{kind}"
                path.write_text(FORMATS[kind](sourced), encoding="utf-8")
        (folder / name).write_text("\n".join([*head, *map(to_markdown, tables.values())]), encoding="utf-8")


def write_all(
    summary: pd.DataFrame, labels: Labels, baseline: Baseline, folder: AnyPath, options: TableOptions = DEFAULT
) -> None:
    """Write summary.csv, the tables and every figure into the folder."""
    folder = Path(folder)
    write_tables(summary, labels, folder, options)
    write_summary(summary, folder / "summary.csv")
    (folder / "figures").mkdir(exist_ok=True)
    write_figures(summary, labels, baseline, figure_paths(folder / "figures"))


def write_summary(summary: pd.DataFrame, path: AnyPath) -> None:
    """Write a summary as CSV, numbers with six significant digits, pipelines by their own names."""
    unsized(summary).to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
