"""From the config to the matrix: the cells to measure, their rounds, and the order in which they run."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from diffbench.catalogue.definition import ROOT, check_limits, entry, planned_digest, recipe_of
from diffbench.catalogue.devices import describe_gpu, resolve_auto
from diffbench.catalogue.environments import INSTALLED, environment_names, newest_current, read_environment
from diffbench.catalogue.schema_checks import as_list, check, read_catalogue
from diffbench.data.sizes import sized
from diffbench.libraries.versions import package_version
from diffbench.mechanisms.dtype import HALF, TF32, dtype_of
from diffbench.mechanisms.registry import libraries_of
from diffbench.system.compiler_caches import SHARED
from diffbench.system.files import write_whole
from diffbench.system.threads import check_threads, default_threads
from diffbench.vocabulary.columns import CELL
from diffbench.vocabulary.errors import DiffbenchError, SetupError, describe_missing, find_near, list_known
from diffbench.vocabulary.sizes import NATIVE, split_name

from .cluster import job_of
from .external import expand_user, external_cells, find_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

RUN = [*CELL, "round"]
PATH = [axis for axis in RUN if axis != "size"]  # of a run's folder, where the pipeline's name includes its size
AXES = dict(zip(CELL, ("gpus", "torch", "pipelines", "batch_sizes", "sizes", "variants")))
ALL = "all"  # every name of the catalogue

DEFAULTS = {  # of the keys that a config may leave out
    "seed": 0,
    "exclude": [],
    "documents": [],
    "external": [],
    "tables": {},
    "sizes": [NATIVE],
    "threads": None,
    "cache": SHARED,
    "keep_caches": False,
    "start_method": "forkserver",
}


def check_known(key: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raises DiffbenchError for a name that the catalogue lacks, with the most similar known name."""
    for name in names:
        if name not in known:
            raise DiffbenchError(f"config: {key}: unknown name {name!r}; known are: {list_known(known, name)}")


def resolve_config(config: Mapping[str, Any], root: str | Path = ROOT, conda: bool = False) -> dict[str, Any]:
    """The config, checked, with `auto` resolved for this machine; `conda`: whether conda builds environments.

    Raises DiffbenchError, one line, for any error in it.
    """
    check(config, "config", "config")
    read_catalogue("gpus", root)
    for kind in ("pipelines", "variants"):
        known = list(read_catalogue(kind, root))
        config = {**config, kind: known if config[kind] == [ALL] else config[kind]}
        check_known(kind, config[kind], known)
    config = {**DEFAULTS, **config}
    resolved = dict(config)
    check_limits(config["measurement"], "config: measurement.")
    if "auto" in config["gpus"] and config["threads"]:
        check_threads(config["threads"], "config: threads")
    if not config["gpus"] and not resolved["external"]:
        raise DiffbenchError("config: gpus: found [], expected a list of one or more, because `external` is empty too")
    resolved["gpus"] = [resolve_auto(root) if name == "auto" else name for name in config["gpus"]]
    for name in resolved["gpus"]:
        try:
            describe_gpu(name, root)
        except DiffbenchError as error:
            raise DiffbenchError(f"config: gpus: {error}") from None
    auto = newest_current(root) if conda and "auto" in config["torch"] else INSTALLED
    resolved["torch"] = [auto if name == "auto" else name for name in config["torch"]]
    check_known("torch", resolved["torch"], [INSTALLED, *reversed(environment_names(root))])
    for key in ("gpus", "torch"):
        if len(set(resolved[key])) < len(resolved[key]):
            raise DiffbenchError(f"config: {key}: {config[key]} name the same thing twice on this machine; keep one")
    resolved["baseline"] = {
        axis: resolve_name(axis, value, config, resolved) for axis, value in config["baseline"].items()
    }
    check_baseline(resolved)
    resolved["exclude"] = [
        {
            axis: [resolve_name(axis, value, config, resolved) for value in as_list(found)]
            for axis, found in partial.items()
        }
        for partial in resolved["exclude"]
    ]
    resolved["documents"] = [expand_user(path, "documents", "name a Markdown file") for path in resolved["documents"]]
    for number, column in enumerate(resolved["tables"].get("columns", [])):
        check_known(f"tables.columns[{number}].variant", [column["variant"]], resolved["variants"])
        check_known(f"tables.columns[{number}].torch", [column["torch"]], resolved["torch"])
    return resolved


def resolve_name(axis: str, value: Any, config: Mapping[str, Any], resolved: Mapping[str, Any]) -> Any:
    """The resolved name for `auto` on the axes that have it; any other value is itself."""
    values = config[AXES[axis]]
    return resolved[AXES[axis]][values.index("auto")] if value == "auto" and "auto" in values else value


def check_baseline(config: Mapping[str, Any]) -> None:
    """Raises DiffbenchError if the baseline is outside the matrix."""
    for axis, value in config["baseline"].items():
        values = config[AXES[axis]]
        if value not in values:
            raise DiffbenchError(
                f"config: baseline.{axis}: {value!r} is outside the matrix; add it to `{AXES[axis]}`, or name one of {values}"
            )


def expand(config: Mapping[str, Any]) -> pd.DataFrame:
    """The matrix: a DataFrame with the columns of CELL, one row per cell, in the order of the config; empty without a GPU.

    Raises DiffbenchError if `exclude` names a value that the matrix lacks, or leaves no cell.
    """
    axes = [config[key] for key in AXES.values()]
    cells = pd.MultiIndex.from_product(axes, names=CELL).to_frame(index=False)
    for number, partial in enumerate(config["exclude"]):
        hit = pd.Series(True, index=cells.index)
        for axis, values in partial.items():
            known = config[AXES[axis]]
            for value in values if known else []:  # without a GPU the matrix is empty
                if value not in known:
                    near = None if isinstance(value, int) else find_near(value, known)
                    hint = f" (did you mean {near!r}?)" if near else ""
                    raise DiffbenchError(
                        f"config: exclude[{number}].{axis}: {value!r} is outside the matrix{hint}; correct it, or remove it "
                        "or all of `exclude`"
                    )
            hit &= cells[axis].isin(values)
        cells = cells[~hit]
    if cells.empty and config["gpus"]:
        raise DiffbenchError("config: exclude: leaves no cell of the matrix; remove some of its entries")
    return cells.reset_index(drop=True)


def expand_rounds(cells: pd.DataFrame, rounds: int, seed: int, baseline: Mapping[str, Any]) -> pd.DataFrame:
    """One row per run, in the order of `cells`: the columns RUN and `number`, its position in the order of measuring, from
    1.

    Round 1 of every cell comes before round 2 of any, so that drift affects all cells equally. Within a round, the cells
    that are compared with each other (equal except on the axes of `baseline`) run next to each other, so that they share
    the drift. The order of these blocks and the order inside each are drawn from `seed`, again for every round.
    """
    random = np.random.default_rng(seed)
    blocks = cells.groupby([axis for axis in CELL if axis not in baseline], sort=False).ngroup().to_numpy()
    parts = []
    for done in range(rounds):
        place = random.permutation(blocks.max(initial=0) + 1)[blocks]
        order = np.lexsort((random.permutation(len(cells)), place))
        number = np.empty(len(cells), dtype=int)
        number[order] = np.arange(len(cells)) + 1 + done * len(cells)
        parts.append(cells.assign(round=done + 1, number=number))
    return pd.concat(parts, ignore_index=True)


def define(config: Mapping[str, Any], cells: pd.DataFrame, root: str | Path = ROOT) -> dict[tuple[Any, ...], str]:
    """The definition hash of every (pipeline, batch_size, size, variant) of the matrix."""
    keys = cells[CELL[2:]].drop_duplicates().itertuples(index=False, name=None)
    return {
        (pipeline, batch_size, size, variant): planned_digest(config, pipeline, batch_size, size, variant, root)
        for pipeline, batch_size, size, variant in keys
    }


@cache  # a plan asks for it once per run
def own_threads() -> int:
    """CPU threads of a run on this machine, if the config sets none."""
    return default_threads()


@cache  # a plan asks for it once per run
def installed_versions() -> str:
    """`torch=…,diffusers=…,transformers=…` of the Python that runs Snakemake, without packages that are missing."""
    return state({package: package_version(package) for package in ("torch", "diffusers", "transformers")})


def check_installed(asked: Iterable[str], version_of: Callable[[str], str | None] = package_version) -> None:
    """Raises SetupError if the Python that runs Snakemake lacks torch, and so cannot measure as the build `installed`.

    `asked` is the config's `torch`: conda builds an environment for `auto` alone.
    """
    if not version_of("torch"):
        other = "add --use-conda" if "auto" in asked else "name a release as the config's `torch`"
        raise SetupError(f"{describe_missing('torch', sys.executable)}; or {other}")


def state(versions: Mapping[str, str | None]) -> str:
    """`torch=…,diffusers=…`: the known versions."""
    return ",".join(f"{package}={version}" for package, version in versions.items() if version)


class Plan:
    """The plan of a config on this machine: `config` (resolved), `cells`, `runs` and the `paths` of their folders, the definition
    of each cell, the `gpus` and the `environments` of its torch builds; `sources` and `external_cells` are measurements from
    other machines. `conda`: whether conda builds environments; `external`: whether to read those sources.

    Raises DiffbenchError, one line, for any error in the config or in the files that it names.
    """

    def __init__(
        self, config: Mapping[str, Any], root: str | Path = ROOT, conda: bool = False, external: bool = True
    ) -> None:
        self.root, self.config = root, resolve_config(config, root, conda)
        builds = [name for name in self.config["torch"] if name != INSTALLED]
        self.gpus = {name: describe_gpu(name, root) for name in self.config["gpus"]}
        self.environments = {name: read_environment(name, root) for name in builds}
        self.pinned = {name: environment.digest() for name, environment in self.environments.items()}
        self.cells = expand(self.config)
        self.runs = expand_rounds(self.cells, *(self.config[key] for key in ("rounds", "seed", "baseline")))
        self.definitions = define(self.config, self.cells, root)
        self.paths = sized(self.runs)[PATH]
        index = pd.MultiIndex.from_frame(self.paths.astype(str))
        self.numbers = dict(zip(index, self.runs["number"]))
        self.cells = self.cells.assign(
            definition=[self.definitions[key] for key in zip(*(self.cells[axis] for axis in CELL[2:]))]
        )
        self.sources = find_sources(self.config["external"], Path("results") / self.config["name"]) if external else []
        self.external_cells = external_cells(self.sources, self.config, self.runs, root)

    def all_cells(self) -> pd.DataFrame:
        """The cells of the matrix and those that other machines have measured, each with its definition."""
        return pd.concat([self.cells, self.external_cells], ignore_index=True)

    def write_cells(self, path: str | Path) -> None:
        """Write all cells with their definitions as CSV, unless the file has them already. Raises DiffbenchError."""
        text = self.all_cells().to_csv(index=False, lineterminator="\n")
        path = Path(path)
        if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
            write_whole(path, text.encode("utf-8"))

    def definition(self, wildcards: Any) -> str:
        """The definition hash of a run's cell; empty for a run outside the matrix."""
        pipeline, size = split_name(wildcards.pipeline)
        return self.definitions.get((pipeline, int(wildcards.batch_size), size, wildcards.variant), "")

    def dtypes(self) -> list[str]:
        """The dtypes that the runs load: float16, bfloat16, float32, and `half`, which means each pipeline's own."""
        own = {"float32" if gpu.get("device") == "cpu" else HALF for gpu in self.gpus.values()}
        named = [recipe_of(variant, self.root).get("dtype") for variant in self.config["variants"]]
        loaded = {"float32" if dtype == TF32 else dtype for dtype in named if dtype is not None}
        return sorted(loaded | own if None in named else loaded)

    def expected(self, torch: str, variant: str | None = None) -> str:
        """The versions that the measuring process of a torch build must find, including those of the libraries that the variant
        uses: if such a library changes, only the cells of variants that use it are measured again."""
        used = libraries_of(recipe_of(variant, self.root)) if variant and variant in self.config["variants"] else []
        environment = self.environments.get(torch)
        if environment:
            return environment.expected(used)
        stated = installed_versions()
        libraries = state({name: package_version(name) for name in used if f",{name}=" not in stated})
        return ",".join(filter(None, [stated, libraries]))

    def threads(self, gpu: str, cluster: bool) -> int:
        """CPU threads of a run: the config's, otherwise the CPUs of its job on a cluster or the cores of this machine."""
        return self.config["threads"] or (job_of(self.gpus.get(gpu, {}))["cpus"] if cluster else own_threads())

    def ceiling_dtypes(self, gpu: str) -> list[str]:
        """The dtypes that the rows of one GPU will have, sorted: each needs its own ceiling."""
        cells = self.cells[self.cells["gpu"] == gpu][["pipeline", "variant"]].drop_duplicates()
        is_cpu = self.gpus.get(gpu, {}).get("device") == "cpu"
        return sorted(
            {
                dtype_of(stage, recipe_of(variant, self.root), is_cpu)
                for pipeline, variant in cells.itertuples(index=False)
                for stage in entry("pipelines", pipeline, self.root)["stages"]
            }
        )

    def pins(self, torch: str) -> str:
        """A hash of all pins of the torch build's environment; empty for the Python that runs Snakemake."""
        return self.pinned.get(torch, "")

    def number(self, wildcards: Any) -> int:
        """The run's position in the order of measuring, from 1."""
        return self.numbers.get(tuple(str(wildcards[axis]) for axis in PATH), len(self.numbers))
