"""Rule `bundle`: the results so far in one archive, with the config and the packages of the environments."""

from diffbench.terminal.rule_script import Snakemake, run_script

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from diffbench.data.ceilings import read_ceilings
from diffbench.data.errors import AGAIN_BESIDE, ReportError
from diffbench.data.fidelity_csv import write_fidelity
from diffbench.data.measurements import read_calls, read_files
from diffbench.data.outputs import current_runs, read_runs
from diffbench.data.run_checks import check_calls
from diffbench.statistics.fidelity import compare_runs
from diffbench.system.files import write_whole
from diffbench.tables.notes import listed
from diffbench.vocabulary.columns import CELL

LOCAL = ("external", "documents")  # keys of the config that name files on this machine
COMMAND = "snakemake --cores 1 --configfile config.yaml"
EPOCH = (1980, 1, 1, 0, 0, 0)  # time of every file in the archive, so that the same dataset gives the same archive


class Content(NamedTuple):
    """The files of an archive by their names in it, and how many runs are in it, in words."""

    files: dict[str, str]
    count: str


def to_text(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def to_yaml(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def describe_dataset(current: pd.DataFrame, config: dict[str, Any], count: str) -> dict[str, Any]:
    """The content of the dataset's about.yaml: the keys that a committed dataset has."""
    source = (
        f"measured with diffbench {listed(current['code_revision'])} on {listed(sorted(current['started_at'].str[:10]))}: "
        f"{count}; {listed(current['device_name'])}"
    )
    return {"title": config["name"], "source": source, "command": COMMAND, "baseline": config["baseline"]}


def collect(params: Any) -> Content:
    """The content of the archive, from the params of its rule. Raises ReportError if nothing has been measured."""
    done = [Path(path) for path in params.runs if Path(path).is_file()]
    runs = read_runs(done)
    current = current_runs(runs, pd.DataFrame(params.cells, columns=[*CELL, "definition"]))
    if current.empty:
        raise ReportError(
            f"{params.config['name']}: none of its own {len(params.runs)} runs is measured; measure first (files of "
            "`external` are not packed)"
        )
    kept = set(current["outputs"])
    paths = [path for path in done if str(path.parent / "outputs") in kept]
    fidelity = io.StringIO()
    write_fidelity(compare_runs(current, params.config["baseline"]), fidelity)
    columns, counts = read_files(paths)
    calls = read_calls([path.with_name("calls.csv") for path in paths])
    check_calls(paths, columns, counts, calls, AGAIN_BESIDE)
    count = f"{len(paths)} of {len(params.runs)} runs"
    files = {
        "measurements.csv": to_text(pd.DataFrame(columns)),
        "calls.csv": to_text(calls),
        "fidelity.csv": fidelity.getvalue(),
        "config.yaml": to_yaml({key: value for key, value in params.config.items() if key not in LOCAL}),
        "about.yaml": to_yaml(describe_dataset(current, params.config, count)),
    }
    ceilings = [path for path in params.ceilings if Path(path).is_file()]
    if ceilings:
        files["ceilings.csv"] = to_text(read_ceilings(ceilings))
    records = [Path(path) for path in params.environments if Path(path).is_file()]
    files.update({f"environments/{path.name}": path.read_text(encoding="utf-8") for path in records})
    return Content(files, count)


def main(snakemake: Snakemake) -> None:
    """Writes the archive `params.archive`; its files are in a folder named like the dataset."""
    archive = Path(snakemake.params.archive)
    files, count = collect(snakemake.params)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(zipfile.ZipInfo(f"{archive.stem}/{name}", EPOCH), text, zipfile.ZIP_DEFLATED)
    write_whole(archive, content.getvalue())
    print(f"{archive}: {count}, {len(content.getvalue()) / 1024:.0f} KiB")


if __name__ == "__main__":
    run_script(main, snakemake)  # noqa: F821
