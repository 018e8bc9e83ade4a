"""Everything that is rendered from a summary: the rules `tables` and `figures`, and `so_far`."""

from pathlib import Path

from reporting.figures import figure_paths, write_figures
from reporting.tables import render_tables


def write_tables(summary, labels, folder, about=None):
    """Write tables/<gpu>-batch-<n>.md and tables.md into the folder; `about` heads the latter with a dataset's source."""
    tables = render_tables(summary, labels)
    folder = Path(folder)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for (gpu, batch_size), text in tables.items():
        (folder / "tables" / f"{gpu}-batch-{batch_size}.md").write_text(text, encoding="utf-8")
    head = [f"Source: {about['source']}.\n"] if about else []
    (folder / "tables.md").write_text("\n".join([*head, *tables.values()]), encoding="utf-8")


def write_all(summary, labels, baseline, folder):
    """Write summary.csv, the tables and every figure into the folder."""
    folder = Path(folder)
    write_tables(summary, labels, folder)
    write_summary(summary, folder / "summary.csv")
    (folder / "figures").mkdir(exist_ok=True)
    write_figures(summary, labels, baseline, figure_paths(folder / "figures"))


def write_summary(summary, path):
    """Write a summary as CSV, numbers with six significant digits."""
    summary.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
