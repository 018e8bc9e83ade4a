"""The list of work of a session on a GPU (config/gpu-sessions.yaml), and what of it is missing."""

import random
from pathlib import Path
from typing import NamedTuple

from datasets import key_of

from diffbench.catalogue.definition import ROOT, entry, planned_digest, recipe_of
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.mechanisms.registry import compiles
from diffbench.vocabulary.errors import DiffbenchError
from diffbench.vocabulary.sizes import NATIVE, name_at

LIST = ROOT / "config/gpu-sessions.yaml"
INSTALLED = "installed"
KINDS = {  # of an entry, the key that says which it is: the other keys that it may have, and their defaults
    "pipelines": {"variants": None, "rounds": 3, "batch_sizes": [1], "sizes": [NATIVE]},
    "ceilings": {},
    "tests": {},
    "bare_loop": {"variants": None, "pairs": 5},
    "trace": {"variants": None},
}
EAGER_S, COMPILED_S = 35, 110  # what a run of one stage takes, before anything is known
TESTS_S = 30  # tests that do not come to their end go on the next time


class Run(NamedTuple):
    """One round of one cell. `of` is the name of its entry, `rounds` how many its cell gets."""

    of: str
    pipeline: str
    batch_size: int
    size: str
    variant: str
    round: int
    rounds: int
    definition: str

    @property
    def name(self):
        """`sd-txt2img, batch size 1, eager, round 2`."""
        place = f"{name_at(self.pipeline, self.size)}, batch size {self.batch_size}"
        return f"{place}, {self.variant}, round {self.round} of {self.rounds}"

    def key(self, gpu):
        """What its rows have in the columns of datasets.RUN."""
        cell = (gpu, INSTALLED, self.pipeline, str(self.batch_size), self.size, self.variant)
        return (*cell, str(self.round))

    def default_s(self):
        """How long it takes, in seconds, as long as nothing like it has run."""
        stages = entry("pipelines", self.pipeline)["stages"]
        stages = [stage for stage in stages if self.batch_size == 1 or stage.get("batched", True)]
        return len(stages) * seconds_of(self.variant)


class Check(NamedTuple):
    """A command whose text is kept. `of` is the name of its entry."""

    of: str
    name: str
    command: list
    seconds: float

    def default_s(self):
        """How long it takes, in seconds."""
        return self.seconds


class Ceilings(NamedTuple):
    """What the device can do at most in each of the dtypes."""

    of: str
    dtypes: list
    name: str = "ceilings"

    def default_s(self):
        """How long it takes, in seconds."""
        return 20 + 5 * len(self.dtypes)


def seconds_of(variant):
    """What a run of one stage takes, before anything is known."""
    return COMPILED_S if compiles(recipe_of(variant)) else EAGER_S


def read_list(path=LIST):
    """(config, entries) of a list of work: the config's keys over those of config/config.yaml, and the entries with their
    defaults. Raises DiffbenchError for what is wrong with it."""
    content = read_yaml(path)
    if set(content) != {"config", "work"} or not isinstance(content["work"], list):
        raise DiffbenchError(f"{path}: found the keys {', '.join(content)}, expected `config` and `work`, a list")
    default, own = read_yaml(ROOT / "config/config.yaml"), read_yaml(ROOT / content["config"])
    own["measurement"] = {**default["measurement"], **own.get("measurement", {})}
    entries, names = [], set()
    for number, found in enumerate(content["work"]):
        kinds = [kind for kind in KINDS if kind in found]
        unknown = set(found) - {"name", *kinds, *(KINDS[kinds[0]] if kinds else ())}
        if len(kinds) != 1 or "name" not in found or unknown or found["name"] in names:
            raise DiffbenchError(
                f"{path}: work[{number}]: found the keys {', '.join(map(str, found))}, expected a unique `name`, one of "
                f"{', '.join(KINDS)}, and what goes with that"
            )
        names.add(found["name"])
        filled = {**KINDS[kinds[0]], **found}
        lacking = [key for key, value in filled.items() if value is None]
        if lacking:
            raise DiffbenchError(f"{path}: {found['name']}: `{lacking[0]}` is missing; add it")
        entries.append(filled)
    return {**default, "exclude": [], **own}, entries


def steps_of(found, config):
    """The Runs, Checks or Ceilings of one entry, in their order. Raises DiffbenchError for an unknown name."""
    name = found["name"]
    if "pipelines" in found:
        return runs_of(found, config)
    if "ceilings" in found:
        return [Ceilings(name, found["ceilings"])]
    if "tests" in found:
        options = ["-m", "pytest", "-v", "--no-header", "--tb", "short", "-p", "no:cacheprovider"]
        return [Check(name, name, [*options, *found["tests"]], TESTS_S)]
    checks, scale = [], config["scale"]
    for pipeline in found.get("bare_loop", found.get("trace")):
        for variant in found["variants"]:
            stages = len(entry("pipelines", pipeline)["stages"])
            if "trace" in found:
                command, times = ["tests/gpu/gaps.py", "--variant", variant], 1
            else:
                command, times = ["tests/bench/peer.py", "--variants", variant, "--pairs", found["pairs"]], 2
            command += ["--pipelines", pipeline, "--scale", scale]
            checks.append(Check(name, f"{name}-{pipeline}-{variant}", command, times * stages * seconds_of(variant)))
    return checks


def runs_of(found, config):
    """The Runs of an entry: pipeline by pipeline, all rounds of one batch size and size before the next, and within a round the
    variants next to each other, in an order that is drawn for each round."""
    runs = []
    for pipeline in found["pipelines"]:
        for batch_size in found["batch_sizes"]:
            for size in found["sizes"]:
                for number in range(1, found["rounds"] + 1):
                    place = f"{pipeline} {batch_size} {size} {number}"
                    for variant in random.Random(place).sample(found["variants"], len(found["variants"])):
                        definition = planned_digest(config, pipeline, batch_size, size, variant)
                        cell = (pipeline, batch_size, size, variant)
                        runs.append(Run(found["name"], *cell, number, found["rounds"], definition))
    return runs


def all_steps(entries, config):
    """The steps of all entries, each once. Raises DiffbenchError for an unknown name."""
    steps, seen = [], set()
    for found in entries:
        for step in steps_of(found, config):
            identity = (*step[1:6], step.definition) if isinstance(step, Run) else step.name
            if identity not in seen:
                seen.add(identity)
                steps.append(step)
    return steps


def missing(steps, datasets, gpu):
    """The steps that none of the datasets has for this GPU: a run counts if its row has the definition that it has now. The later
    rounds of a cell of which no stage could be measured are left out: they would fail alike."""
    rows = {(*key_of(row), row["definition"]): row["status"] for dataset in datasets for row in dataset.rows()}
    worked = {(*key[:-2], key[-1]) for dataset in datasets for key, status in statuses(dataset) if status == "ok"}
    tried = {(*key[:-2], key[-1]) for key in rows}
    ceilings = {(row["gpu"], row["dtype"]) for dataset in datasets for row in dataset.tables["ceilings.csv"]}
    left = []
    for step in steps:
        if isinstance(step, Run):
            key = (*step.key(gpu), step.definition)
            cell = (*key[:-2], key[-1])
            is_done = key in rows or cell in tried - worked
        elif isinstance(step, Ceilings):
            step = step._replace(dtypes=[name for name in step.dtypes if (gpu, name) not in ceilings])
            is_done = not step.dtypes
        else:
            is_done = any(dataset.has_passed(step.name) for dataset in datasets)
        if not is_done:
            left.append(step)
    return left


def statuses(dataset):
    """(key with definition, status) of every row."""
    return [((*key_of(row), row["definition"]), row["status"]) for row in dataset.rows()]


def expected_s(step, gpu, datasets, is_cached):
    """How long a step will take, in seconds: the longest time that its cell took before; the shortest, if `is_cached`: a compiler
    cache of it is here."""
    if not isinstance(step, Run):
        return step.default_s()
    cell = step.key(gpu)[:-1]
    took_s = [
        float(row["wall_s"])
        for dataset in datasets
        for row in dataset.tables["minutes.csv"]
        if key_of(row)[:-1] == cell
    ]
    return (min if is_cached else max)(took_s, default=step.default_s())


def describe(steps, left):
    """One line for each entry: how much of it is done."""
    for name in dict.fromkeys(step.of for step in steps):
        total, lacking = (sum(step.of == name for step in part) for part in (steps, left))
        yield f"  {name}: {total - lacking} of {total} done"


def measure_command(step, config, gpu, folder):
    """The command of a Run, without the Python that runs it."""
    command = [ROOT / "workflow/scripts/measure.py", "--pipeline", step.pipeline, "--batch-size", step.batch_size]
    command += [
        "--size",
        step.size,
        "--variant",
        step.variant,
        "--gpu",
        gpu,
        "--round",
        step.round,
        "--rounds",
        step.rounds,
    ]
    command += ["--weights", config["weights"], "--scale", config["scale"], "--cache", config["cache"]]
    for key, value in config["measurement"].items():
        command += [f"--{key.replace('_', '-')}", "none" if value is None else value]
    command += ["--definition", step.definition, "--output", folder, "--log", Path(folder) / "measure.log"]
    return command
