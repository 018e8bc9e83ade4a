"""The options that Snakemake was started with, to print commands that plan the same."""

import json
import math
import shlex
from typing import NamedTuple

from .matrix import AXES


class Invocation(NamedTuple):
    """The options of a start of Snakemake: `config` of --config, `configfiles`, `directory`, and `conda` of --use-conda."""

    config: dict
    configfiles: list
    directory: str | None = None
    conda: bool = False

    def command(self, *targets, **keys):
        """A command that plans the same for other targets, with `keys` added to the config."""
        options = {
            "--directory": filter(None, [self.directory]),
            "--configfile": self.configfiles,
            "--config": [f"{key}={spell(value)}" for key, value in {**self.config, **keys}.items()],
        }
        words = ["snakemake", "--cores", "1", *targets, *(["--use-conda"] if self.conda else [])]
        for name, values in options.items():
            texts = list(map(str, values))
            words += [name, *texts] if texts else []
        return shlex.join(words)


def spell(value):
    """A value as `--config` expects it."""
    if value is None:
        return ""
    return str(value) if isinstance(value, (str, bool)) else json.dumps(value)


def describe_left_out(plan, invocation, own_keys):
    """[a line about the cells that the default config leaves out]; [] if the user's own config, which has `own_keys`, chooses
    the cells."""
    left_out = math.prod(len(plan.config[key]) for key in AXES.values()) - len(plan.cells)
    if not left_out or "exclude" in own_keys:
        return []
    command = invocation.command(exclude=[])
    return [f"{left_out} cells of this config are left out (no row or a dash in the tables). All: {command}"]
