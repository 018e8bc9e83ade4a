"""Which pipeline runs with which variant, as far as it was measured: tables of pipelines x variants, one a group of variants."""

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
    """{(pipeline, variant): [row of each stage]} of rows or of a summary: of several rows of one stage one that is ok, else the
    newest. What was not measured is left out."""
    rows = rows[~rows["status"].isin([OPEN.name, ""])]
    rows = rows.assign(ok=rows["status"] == "ok").sort_values(["ok", "measured_on"], kind="stable")
    last = rows.drop_duplicates(["pipeline", "variant", "stage"], keep="last").sort_values("stage", kind="stable")
    found: dict[tuple[str, str], list[Row]] = {}
    for row in records(last):
        found.setdefault((row["pipeline"], row["variant"]), []).append(row)
    return found


def cell_of(stages: list[Row] | None, footnotes: list[str]) -> Cell:
    """A Cell that says whether the stages run; adds to `footnotes` why not."""
    if not stages:
        return Cell([OPEN.sign])
    reasons = dict.fromkeys(row["detail"] for row in stages if row["status"] != "ok" and row["detail"])
    footnotes.extend(reason for reason in reasons if reason not in footnotes)
    numbers = [footnotes.index(reason) + 1 for reason in reasons]
    return Cell(merge_stages([RUNS if row["status"] == "ok" else print_failure(row) for row in stages]), numbers)


def build_catalogue(rows: pd.DataFrame, labels: Labels) -> list[Table]:
    """The Tables of all pipelines and of the variants that were measured with any, a table for each group of variants; the last
    one's notes name the variants that were not, and on what the rows were measured.

    `rows` are measurement rows with `measured_on` or a summary; `labels` as labels.read_labels gives them.
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
    """What the marks mean, and on what the rows were measured."""
    rows = rows[rows["device_name"].astype(bool)]
    scale = " and ".join(SCALES.get(scale, scale) for scale in rows["scale"].unique())
    return (
        f"runs: was measured, by one of the devices at the least; {OPEN.sign} not measured yet. "
        f"Devices: {listed(rows['device_name'])}; {releases_of(rows)}, Diffusers {listed(rows['diffusers_version'])}; "
        f"{scale} with {' and '.join(rows['weights'].unique())} weights; "
        f"measured {listed(sorted(rows['measured_on'].unique()))}."
    )
