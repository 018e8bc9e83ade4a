"""Rule `so_far`: tables and figures of the results so far; cells without a row under their current definition print `…`."""

from diffbench.terminal.rule_script import Snakemake, run_script

from pathlib import Path

import pandas as pd

from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import read_measurements
from diffbench.data.outputs import current_runs, read_runs
from diffbench.documents.render import write_all
from diffbench.figures.strips import write_strips
from diffbench.statistics.fidelity import compare_runs
from diffbench.statistics.summary import summarize
from diffbench.statistics.summary_inputs import read_evidence
from diffbench.tables.table_options import read_options
from diffbench.vocabulary.columns import CELL


def main(snakemake: Snakemake) -> None:
    """Reads the run.csv of every planned run that has one, and the files from other machines; writes to the folder
    `snakemake.params.folder`."""
    runs, folder, external = snakemake.params.runs, Path(snakemake.params.folder), snakemake.params.external
    done = [Path(path) for path in runs if Path(path).is_file()]
    definitions = pd.DataFrame(snakemake.params.cells, columns=[*CELL, "definition"])
    current = current_runs(read_runs(done), definitions)
    print(f"{len(current.drop_duplicates([*CELL, 'round']))} of {len(runs)} runs are measured")
    fidelity = compare_runs(current, snakemake.params.baseline)
    evidence = read_evidence(
        [*(path.with_name("calls.csv") for path in done), *external["calls"]],
        external["fidelity"],
        [*(path for path in snakemake.params.ceilings if Path(path).is_file()), *external["ceilings"]],
        snakemake.params.gpus,
    ).with_fidelity(fidelity)
    rows = pd.concat([current, read_measurements(external["rows"])], ignore_index=True)
    summary = summarize(rows, definitions, snakemake.params.baseline, evidence)
    options, labels = read_options(snakemake.params.options), read_labels(snakemake.params.catalogues)
    write_all(summary, labels, snakemake.params.baseline, folder, options)
    write_strips(summary, current, fidelity, labels, snakemake.params.baseline, folder / "strips")
    print((folder / "tables.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
