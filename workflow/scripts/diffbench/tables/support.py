"""Which pipeline runs with which variant, measured cells only: one table of pipelines x variants per group of variants."""

import pandas as pd

from diffbench.catalogue.labels import Labels
from diffbench.data.rows import records
from diffbench.data.types import Row
from diffbench.statistics.build_differences import releases_of
from diffbench.vocabulary.statuses import OPEN

from .cell_text import merge_stages, print_failure
from .formats import Cell, Table
from .notes import SCALES, listed

RUNS = "runs"


def known_stages(rows: pd.DataFrame) -> dict[tuple[str, str], list[Row]]:
    """{(pipeline, variant): [row of each stage]} of rows or of a summary. If a stage has several rows, one that is ok, else the
    newest. Cells that were not measured are left out."""
    rows = rows[~rows["status"].isin([OPEN.name, ""])]
    rows = rows.assign(ok=rows["status"] == "ok").sort_values(["ok", "measured_on"], kind="stable")
    last = rows.drop_duplicates(["pipeline", "variant", "stage"], keep="last").sort_values("stage", kind="stable")
    found: dict[tuple[str, str], list[Row]] = {}
    for row in records(last):
        found.setdefault((row["pipeline"], row["variant"]), []).append(row)
    return found


def cell_of(stages: list[Row] | None, footnotes: list[str]) -> Cell:
    """A Cell that says whether the stages run; adds the reasons why not to `footnotes`."""
    if not stages:
        return Cell([OPEN.sign])
    reasons = dict.fromkeys(row["detail"] for row in stages if row["status"] != "ok" and row["detail"])
    footnotes.extend(reason for reason in reasons if reason not in footnotes)
    numbers = [footnotes.index(reason) + 1 for reason in reasons]
    return Cell(merge_stages([RUNS if row["status"] == "ok" else print_failure(row) for row in stages]), numbers)


def build_catalogue(rows: pd.DataFrame, labels: Labels) -> list[Table]:
    """The Tables of all pipelines and all measured variants, one per group of variants; the notes of the last one name the
    variants that were not measured, and the devices, releases and dates of the rows.

    `rows` are measurement rows with `measured_on` or a summary; `labels`: from labels.read_labels.
    """
    stages, tables, open_variants = known_stages(rows), [], []
    measured = {variant for _, variant in stages}
    for group in dict.fromkeys(labels["groups"].values()):
        of_group = [name for name in labels["variants"] if labels["groups"].get(name) == group]
        variants = [name for name in of_group if name in measured]
        open_variants += [labels["variants"][name] for name in of_group if name not in measured]
        footnotes: list[str] = []
        body = [
            (label, [cell_of(stages.get((pipeline, variant)), footnotes) for variant in variants])
            for pipeline, label in labels["pipelines"].items()
        ]
        headers = [["Pipeline"], *([labels["variants"][variant]] for variant in variants)]
        tables += [Table(f"{group[0].upper()}{group[1:]}", headers, body, footnotes, [])] if variants else []
    notes = [f"Not measured yet with any pipeline: {'; '.join(open_variants)}."] if open_variants else []
    notes += [note_of(rows)] if tables else []
    return [*tables[:-1], *(table._replace(notes=notes) for table in tables[-1:])]


def note_of(rows: pd.DataFrame) -> str:
    """The meaning of the marks, and the devices, releases and dates of the rows."""
    rows = rows[rows["device_name"].astype(bool)]
    scale = " and ".join(SCALES.get(scale, scale) for scale in rows["scale"].unique())
    return (
        f"runs: measured on at least one device; {OPEN.sign} not measured yet. "
        f"Devices: {listed(rows['device_name'])}; {releases_of(rows)}, Diffusers {listed(rows['diffusers_version'])}; "
        f"{scale} with {' and '.join(rows['weights'].unique())} weights; "
        f"measured {listed(sorted(rows['measured_on'].unique()))}."
    )
