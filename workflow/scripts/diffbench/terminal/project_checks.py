"""The checks at the start of `snakemake`, before its config is read. An error ends it with one line."""

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from diffbench.catalogue.schema_checks import check_config_file
from diffbench.data.types import AnyPath
from diffbench.system.environment_variables import PYTHON_BREAKS
from diffbench.vocabulary.errors import DiffbenchError, SetupError, describe_missing

CONFIG = Path("config/config.yaml")


@contextmanager
def exit_with_reason() -> Iterator[None]:
    """End the process with `error: …` if a DiffbenchError is raised."""
    try:
        yield
    except DiffbenchError as error:
        sys.exit(f"error: {error}")


def check_project(base: Path, main_snakefile: AnyPath) -> None:
    """Raises DiffbenchError if the project, which is in the folder `base`, cannot run: as part of another workflow, in a folder
    that Snakemake cannot use, or without pandas."""
    if Path(main_snakefile).resolve() not in (base.resolve() / "Snakefile", base.resolve() / "workflow/Snakefile"):
        raise DiffbenchError(
            f"{Path(main_snakefile).name}: diffbench cannot be included or used as a module; start it by itself, and use its "
            "results/<name>/summary.csv as an input"
        )
    if set("{}") & set(str(base)):
        raise DiffbenchError(f"{base}: Snakemake cannot use a path with braces; move the project to another folder")
    if not find_spec("pandas"):
        raise SetupError(describe_missing("pandas", sys.executable))


def check_configs(base: Path, configfiles: Iterable[AnyPath]) -> None:
    """Check the default config and those of --configfile: unlike Snakemake's `configfile`, this names file and line."""
    if not CONFIG.is_file():
        raise DiffbenchError(f"no {CONFIG} in the working folder; add `--directory {shlex.quote(str(base))}`")
    for path in [CONFIG, *configfiles]:
        check_config_file(path)


def remove_variables() -> None:
    """Remove the environment variables that can break Python, so that no job inherits them."""
    for name in PYTHON_BREAKS:
        os.environ.pop(name, None)
