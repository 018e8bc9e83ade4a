"""Rules `documents` and `documents_check`: fill the marked spaces of Markdown files, or report those that are stale."""

from diffbench.terminal.rule_script import Snakemake, run_script

import sys
from pathlib import Path

from diffbench.catalogue.labels import read_labels
from diffbench.data.errors import ReportError
from diffbench.documents.directives import Dataset, Renderer
from diffbench.documents.filling import stale, update_documents
from diffbench.statistics.published import read_about, with_about
from diffbench.statistics.summary import read_summary


def main(snakemake: Snakemake) -> None:
    abouts = {name: read_about(path) for name, path in snakemake.params.abouts.items()}
    labels = read_labels(snakemake.input.catalogues)
    datasets = {
        name: Dataset(read_summary(path), with_about(labels, abouts.get(name)))
        for name, path in zip(snakemake.params.datasets, snakemake.input.summaries)
    }
    figures = {name: Path(path).parent / "figures" for name, path in zip(datasets, snakemake.input.summaries)}
    render = Renderer(datasets, figures, snakemake.params.minutes)
    documents = snakemake.params.documents
    if not documents:
        raise ReportError(
            "config: documents: found none, expected Markdown files to fill; list them, or add a --configfile that lists "
            "them (config/documents.yaml for the project's own)"
        )
    if snakemake.params.check:
        difference = stale(documents, render)
        sys.stdout.write(difference)
        if difference:
            raise ReportError(f"documents are stale; `{snakemake.params.command}` brings them up to date")
    else:
        changed = update_documents(documents, render)
        print(f"{len(changed)} of {len(documents)} documents changed: {', '.join(map(str, changed)) or 'none'}")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
