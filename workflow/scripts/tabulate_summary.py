"""Rule `tables`: one Markdown table a GPU and batch size, and all of them in one file."""

from pathlib import Path

from reporting.errors import run_script
from reporting.labels import read_labels
from reporting.summary import read_summary
from reporting.tables import render_tables


def write_tables(summary, labels, folder):
    """Write tables/<gpu>-batch-<n>.md and tables.md into the folder."""
    tables = render_tables(summary, labels)
    folder = Path(folder)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for (gpu, batch_size), text in tables.items():
        (folder / "tables" / f"{gpu}-batch-{batch_size}.md").write_text(text, encoding="utf-8")
    (folder / "tables.md").write_text("\n".join(tables.values()), encoding="utf-8")


def main(snakemake):
    summary = read_summary(snakemake.input.summary)
    write_tables(summary, read_labels(snakemake.input.catalogues), Path(snakemake.output.all).parent)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
