"""The rows of a run, from the events that the measuring process reported and how it ended."""

import json

from diffbench.vocabulary.columns import RATE
from diffbench.vocabulary.errors import SetupError

OF_CALLS = [*RATE, "compile_s", "startup_s"]  # what only calls that were measured to their end give


def read_events(path):
    """The events that the child reported; a last line that was cut off by its death is left out.

    Raises SetupError where the child found that it cannot measure.
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


def machine_columns(row, events, monitor):
    """What `monitor` saw before and while the calls of the row's stage were measured; of the latter nothing where they did not
    come to their end."""
    own = [event for event in events if event["stage"] == row["stage"]]
    edges = {event["edge"]: event["at_s"] for event in own if event["event"] == "window"}
    columns = monitor.start_columns(own[0]["at_s"], edges["start"]) if "start" in edges else {}
    if "end" in edges and row["status"] == "ok":
        columns.update(monitor.columns(edges["start"], edges["end"], row["calls"] * row["batch_size"]))
    return columns


def keep_measured(row, pending):
    """Keep the numbers of a row that is ok, or that failed while its evidence was looked at: then the mechanisms that are still
    `pending` (None: no check had begun) are unverified, and the failure is why. Clear the numbers of every other row."""
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


def assemble(identity, shared, definition, events, death, monitor):
    """The rows (one a stage) and the samples of a run, from what the child reported and how it ended.

    `identity` holds the columns that rows and samples share, `shared` those that all rows have in common; `death` is None
    or (status, detail); `monitor` has watched the machine. A stage that the child did not finish takes the child's death as
    its own outcome, unless its numbers stood already.
    """
    provenance = next((event["columns"] for event in events if event["event"] == "provenance"), {})
    dtypes = next(
        (event["names"] for event in events if event["event"] == "dtypes"), [None] * len(definition["stages"])
    )
    rows, samples = [], []
    for stage, dtype in zip(definition["stages"], dtypes):
        row = {**identity, **shared, "stage": stage["number"], **provenance, "steps": stage["steps"], "phase": "load"}
        row["revision"], row["dtype"] = stage.get("revision"), dtype
        row["status"], row["detail"] = death or ("crashed", "the measuring process did not report this stage")
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
