"""Put what sessions on a GPU have measured into its dataset, resources/measured/<gpu>-torch-<release>/.

    python tests/gpu/merge.py h100-sxm-torch-2.11.zip [...]

All that an archive has is checked first; where something is wrong, nothing is written. Rows keep their device, date and commit.
A round that the dataset already has under the same definition must be the same, or the archive is refused. Rows of the archive's
cells that have another definition than the cell has now are replaced.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from datasets import RUN, TABLES, key_of, name_of, read_archive, read_folder  # noqa: E402

from diffbench.catalogue.definition import ROOT, planned_digest  # noqa: E402
from diffbench.catalogue.yaml_file import read_yaml  # noqa: E402
from diffbench.data.ceilings import read_ceilings
from diffbench.data.errors import ReportError  # noqa: E402
from diffbench.data.fidelity_csv import read_fidelity  # noqa: E402
from diffbench.data.measurements import read_calls, read_rows  # noqa: E402
from diffbench.system.files import write_whole  # noqa: E402
from diffbench.system.printing import print_anywhere  # noqa: E402
from diffbench.tables.minutes import read_minutes  # noqa: E402
from diffbench.tables.notes import listed  # noqa: E402
from diffbench.vocabulary.errors import DiffbenchError  # noqa: E402
from diffbench.vocabulary.sizes import NATIVE, name_at  # noqa: E402

READERS = {
    "measurements.csv": read_rows,
    "calls.csv": lambda file: read_calls([file]),
    "fidelity.csv": read_fidelity,
    "minutes.csv": read_minutes,
    "ceilings.csv": lambda file: read_ceilings([file]),
}
LISTS = {"pipelines": "pipeline", "batch_sizes": "batch_size", "sizes": "size", "variants": "variant"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path, help="archives that tests/gpu/run.py or rule bundle wrote")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that holds config/ and resources/")
    return parser.parse_args()


def describe(key):
    """`sd-txt2img, batch size 1, eager, round 2` of a key of RUN."""
    row = dict(zip(RUN, key))
    return f"{name_at(row['pipeline'], row['size'])}, batch size {row['batch_size']}, {row['variant']}, round {row['round']}"


def check(path, found, root):
    """The name of the dataset that an archive belongs to.

    Raises DiffbenchError where the archive is damaged, holds rows that contradict themselves, or rows of another definition
    than its config and these catalogues give.
    """
    if "config.yaml" not in found.texts:
        raise DiffbenchError(f"{path}: has no config.yaml; have it sent again")
    check_tables(path, found)
    config = yaml.safe_load(found.texts["config.yaml"])
    for row in found.rows():
        cell = (row["pipeline"], int(row["batch_size"]), row["size"], row["variant"])
        planned = planned_digest(config, *cell, root)
        if row["definition"] != planned:
            raise DiffbenchError(
                f"{path}: {describe(key_of(row))}: found definition {row['definition']}, expected {planned}: the catalogues have "
                f"changed since it was measured; merge it at its commit ({row['code_revision']}), or measure again"
            )
    names = {name_of(row["gpu"], row["torch_version"]) for row in found.rows() if row["torch_version"]}
    if len(names) != 1:
        raise DiffbenchError(
            f"{path}: its rows are of {len(names)} datasets ({', '.join(sorted(names))}), expected one"
        )
    return names.pop()


def check_tables(path, found):
    """Raises DiffbenchError for the first row of an archive's tables that cannot be one."""
    with tempfile.TemporaryDirectory() as folder:
        for table, text in found.files().items():
            if table in READERS:
                file = Path(folder) / table
                file.write_text(text, encoding="utf-8")
                try:
                    READERS[table](file)
                except ReportError as error:
                    raise DiffbenchError(str(error).replace(str(file), f"{path}: {table}")) from None


def grouped(rows, table):
    """{what they belong to: rows} of a table."""
    groups = {}
    for row in rows:
        groups.setdefault(key_of(row, table), []).append(row)
    return groups


def same(rows, others):
    """Whether two lists of rows say the same, as far as both have a column."""
    return len(rows) == len(others) and all(
        row[column] == other[column] for row, other in zip(rows, others) for column in set(row) & set(other)
    )


def merge(dataset, found, path):
    """Take what an archive has into the Dataset. Returns (the keys of RUN that are new, the rounds that were replaced).

    Raises DiffbenchError for a conflict, and leaves the Dataset as it was.
    """
    definitions = {key_of(row)[:-1]: row["definition"] for row in found.rows()}
    outdated = {
        key_of(row)
        for row in dataset.rows()
        if row["definition"] != definitions.get(key_of(row)[:-1], row["definition"])
    }
    merged, new = {}, []
    for table in TABLES:
        is_run = TABLES[table] == RUN
        old = {
            key: rows
            for key, rows in grouped(dataset.tables[table], table).items()
            if not is_run or key not in outdated
        }
        for key, rows in grouped(found.tables[table], table).items():
            if key in old and not same(old[key], rows):
                what = describe(key) if is_run else ", ".join(key)
                dates = listed(sorted({row.get("started_at", "") for row in [*old[key], *rows]}))
                raise DiffbenchError(
                    f"{path}: {table}: {what}: the dataset has it with other values ({dates}); keep one: remove it there "
                    "with its calls, or leave the archive out"
                )
            if key not in old and table == "measurements.csv":
                new.append(key)
            old.setdefault(key, rows)
        merged[table] = [row for rows in old.values() for row in rows]
    dataset.tables.update(merged)
    dataset.texts.update({name: text for name, text in found.texts.items() if name.startswith("checks/")})
    return new, sorted(outdated)


def config_of(dataset, own, root):
    """The config of the merged Dataset: `own` of the archive, with all that the rows and the dataset's config name, pipelines and
    variants in the order of their catalogues."""
    before = yaml.safe_load(dataset.texts.get("config.yaml", "{}"))
    for key, column in LISTS.items():
        kind = int if key == "batch_sizes" else str
        named = list(dict.fromkeys([*before.get(key, []), *(kind(row[column] or NATIVE) for row in dataset.rows())]))
        catalogue = list(read_yaml(Path(root) / f"config/{key}.yaml")) if key in ("pipelines", "variants") else []
        own[key] = sorted(named) if kind is int else sorted(named, key=(catalogue + named).index)
    return {**own, "rounds": max(int(row["round"]) for row in dataset.rows())}


def put_in_order(dataset, config):
    """Sort what belongs to runs as the config lists their cells, so that tables do not show in which order sessions measured;
    minutes.csv stays in that order."""

    places = {key: {str(name): place for place, name in enumerate(config[key])} for key in LISTS}

    def place(row):
        return [places[key][row[column] or NATIVE] for key, column in LISTS.items()], int(row["round"])

    for table, columns in TABLES.items():
        if columns == RUN and table != "minutes.csv":
            dataset.tables[table].sort(key=place)


def sessions_of(rows):
    """A text for each day and board that the rows are of: `2026-11-26, board ed5c9f2b: sd-img2img, if (1 round)`."""
    sessions = {}
    for row in rows:
        sessions.setdefault((row["started_at"][:10], row["device_id"]), []).append(row)
    for (day, board), own in sorted(sessions.items()):
        names = dict.fromkeys(name_at(row["pipeline"], row["size"]) for row in own)
        rounds = {}
        for row in own:
            rounds.setdefault(key_of(row)[:-1], set()).add(row["round"])
        most = max(map(len, rounds.values()))
        counted = "1 round" if most == 1 else f"up to {most} rounds"
        yield f"{day}, board {board or 'unknown'}: {', '.join(names)} ({counted})"


def about(dataset, config, label):
    """about.yaml of the merged Dataset; its comments, title and command stay as they are."""
    text = dataset.texts.get("about.yaml", "")
    before = yaml.safe_load(text) or {}
    rows = dataset.rows()
    release = listed([row["torch_version"] for row in rows])
    what = "full-scale architectures" if config["scale"] == "full" else "miniature architectures"
    source = (
        f"measured by the project on {listed([row['device_name'] for row in rows])}, torch {release}, {what} with "
        f"{config['weights']} weights: {'; '.join(sessions_of(rows))}"
    )
    title = f"{label}, {what}, {config['weights']} weights"
    found = {
        "title": title,
        "command": "python tests/gpu/run.py",
        "baseline": config["baseline"],
        **before,
        "source": source,
    }
    comments = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return comments + yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120)


def merge_into(root, archives):
    """Merge archives into their datasets below `root`. Raises DiffbenchError, and then has written nothing; returns lines of what
    was done."""
    datasets, lines, folder = {}, [], Path(root) / "resources/measured"
    for path in archives:
        folder_name, found = read_archive(path)
        if found.rows():
            name = check(path, found, root)
        else:
            check_tables(path, found)
            name = folder_name
        dataset = datasets.setdefault(name, read_folder(folder / name))
        new, outdated = merge(dataset, found, path)
        if not dataset.rows():
            raise DiffbenchError(f"{path}: neither it nor {folder / name} has a measurement; merge one that has first")
        config = config_of(dataset, yaml.safe_load(found.texts["config.yaml"]), root)
        put_in_order(dataset, config)
        dataset.texts["config.yaml"] = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        gpu = dataset.rows()[0]["gpu"]
        label = read_yaml(Path(root) / "config/gpus.yaml").get(gpu, {}).get("label", gpu)
        dataset.texts["about.yaml"] = about(dataset, config, label)
        lines.append(f"{folder / name}: {len(new)} new rounds from {path}")
        lines += [f"  replaced, for it had an older definition: {describe(key)}" for key in outdated]
    for name, dataset in datasets.items():
        for entry, text in dataset.files().items():
            write_whole(folder / name / entry, text)
    return lines


def main():
    print_anywhere()
    arguments = parse_arguments()
    try:
        print(*merge_into(arguments.root, arguments.archives), sep="\n")
    except (DiffbenchError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
