"""Rule `report_pages`: the tables and environments of a dataset as HTML pages, for Snakemake's report."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary
from diffbench.tables.extended import build_all_extended
from diffbench.tables.report_pages import environment_page, table_page
from diffbench.tables.table_options import read_options
from diffbench.tables.tables import build_tables


def main(snakemake: Snakemake) -> None:
    """Writes tables/<gpu>-batch-<n>-table.html and -extended.html, and environments/torch-<name>.html."""
    about = read_about(snakemake.input.about[0]) if snakemake.input.about else None
    labels = with_about(read_labels(snakemake.input.catalogues), about)
    summary, options = read_summary(snakemake.input.summary), read_options(snakemake.params.options)
    pages = {}
    for kind, build in (("table", build_tables), ("extended", build_all_extended)):
        for (gpu, batch_size), table in build(summary, labels, options).items():
            path = Path(snakemake.output.tables) / f"{gpu}-batch-{batch_size}-{kind}.html"
            pages[path] = table_page(table, about)
    records = {name_of(path): path.read_text(encoding="utf-8") for path in map(Path, snakemake.input.records)}
    for torch in summary["torch"].unique():
        path = Path(snakemake.output.environments) / f"torch-{torch}.html"
        pages[path] = environment_page(summary, torch, records.get(torch))
    for path, page in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")


def name_of(record: Path) -> str:
    """The torch build of a record torch-<name>.<pins>.txt; a name may have dots."""
    return record.name.removeprefix("torch-").rsplit(".", 2)[0]


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
