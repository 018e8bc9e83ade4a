"""Rule `catalogue`: print which pipeline runs with which variant, from the committed measurements and this config's own runs."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import read_measurements
from diffbench.tables.formats import to_markdown
from diffbench.tables.support import build_catalogue


def main(snakemake: Snakemake) -> None:
    """Reads `snakemake.input.rows` and those of `snakemake.params.runs` that exist; writes `snakemake.params.path`."""
    own = [path for path in snakemake.params.runs if Path(path).is_file()]
    rows = read_measurements([*snakemake.input.rows, *own])
    tables = build_catalogue(
        rows.assign(measured_on=rows["started_at"].str[:10]), read_labels(snakemake.input.catalogues)
    )
    text = "\n".join(map(to_markdown, tables))
    Path(snakemake.params.path).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
