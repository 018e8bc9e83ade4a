"""The rows of a run, from the events that the measuring process reported and from how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from diffbench.libraries.failure import Outcome
from diffbench.vocabulary.columns import RATE
from diffbench.vocabulary.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from .monitor import Monitor

OF_CALLS = [*RATE, "compile_s", "startup_s"]  # what only calls that were measured to their end give


def read_events(path: str | Path) -> list[dict[str, Any]]:
    """The events (process.Report) of the child; a last line that its death cut off is left out.

    Raises SetupError if the child reported that it cannot measure.
    """
    events = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    events.append(json.loads(line))
    except FileNotFoundError:
        pass
    for event in events:
        if event["event"] == "setup-error":
            raise SetupError(event["detail"])
    return events


def machine_columns(row: Mapping[str, Any], events: Iterable[Mapping[str, Any]], monitor: Monitor) -> dict[str, Any]:
    """The samples of `monitor` before and during the measured calls of the row's stage; without the latter if the calls
    were not completed."""
    own = [event for event in events if event["stage"] == row["stage"]]
    edges = {event["edge"]: event["at_s"] for event in own if event["event"] == "window"}
    columns = monitor.start_columns(own[0]["at_s"], edges["start"]) if "start" in edges else {}
    if "end" in edges and row["status"] == "ok":
        columns.update(monitor.columns(edges["start"], edges["end"], row["calls"] * row["batch_size"]))
    return columns


def keep_measured(row: dict[str, Any], pending: Sequence[str] | None) -> None:
    """Keep the numbers of a row that is ok, or that failed during its evidence checks: then the `pending` mechanisms (None:
    no check had begun) are unverified because of the failure. Clear the numbers of every other row."""
    measured = row["phase"] == "evidence" and row.get("iterations_per_second")
    if measured and row["status"] not in ("ok", "invalid"):
        names = ["all checks"] if pending is None else pending
        why = f"{', '.join(names)}: {row['status']}: {row['detail']}".replace(";", ",")
        row["unverified"] = "; ".join(filter(None, [row.get("unverified"), why if names else None]))
        row["evidence"] = "; ".join(filter(None, [row.get("evidence"), *(f"{name} not verified" for name in names)]))
        row["status"], row["detail"] = "ok", None
    if row["status"] == "ok":
        row["phase"] = None
    else:
        row.update(dict.fromkeys(OF_CALLS))


def assemble(
    identity: Mapping[str, Any],
    shared: Mapping[str, Any],
    definition: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    death: Outcome | None,
    monitor: Monitor,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows (one per stage) and the samples of a run, from the events of the child and from how it ended.

    `identity` has the columns of rows and samples, `shared` those of all rows; `death` is how the child died, None if it
    did not; `monitor` has sampled the machine. The outcome of a stage that the child did not finish is the child's death,
    unless its numbers were already measured.
    """
    provenance: Mapping[str, Any] = next((event["columns"] for event in events if event["event"] == "provenance"), {})
    dtypes = next(
        (event["names"] for event in events if event["event"] == "dtypes"), [None] * len(definition["stages"])
    )
    rows, samples = [], []
    for stage, dtype in zip(definition["stages"], dtypes):
        row = {**identity, **shared, "stage": stage["number"], **provenance, "steps": stage["steps"], "phase": "load"}
        row["revision"], row["dtype"] = stage.get("revision"), dtype
        row["status"], row["detail"] = death or Outcome("crashed", "the measuring process did not report this stage")
        pending = None
        for event in events:
            if event["stage"] != stage["number"]:
                continue
            if event["event"] == "phase":
                row["phase"] = event["phase"]
            elif event["event"] == "values":
                row.update(event["columns"])
            elif event["event"] == "outcome":
                row["status"], row["detail"] = event["status"], event["detail"]
            elif event["event"] == "pending":
                pending = event["mechanisms"]
            elif event["event"] == "sample":
                samples.append({**identity, "stage": stage["number"], **event["columns"]})
        keep_measured(row, pending)
        row.update(machine_columns(row, events, monitor))
        rows.append(row)
    return rows, samples
