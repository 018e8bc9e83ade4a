"""Rule `catalogue`: print which pipeline runs with which variant, by the committed measurements and this config's own runs."""

from scripting import run_script

from pathlib import Path

from reporting.catalogue import build_catalogue
from reporting.formats import to_markdown
from reporting.labels import read_labels
from reporting.read import read_measurements


def main(snakemake):
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
