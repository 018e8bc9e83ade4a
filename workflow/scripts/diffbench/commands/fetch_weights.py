"""Fetch the files of pipelines, at their pinned revisions, into the cache of the Hugging Face hub, for runs that are
offline.

Only files that a run loads are fetched: safetensors in the dtype's variant, without the components that are left out; for
random weights, the configuration and tokenizer files of stages without an architecture. A gated model needs a token.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.catalogue.definition import WEIGHTS, entry, needs_files
from diffbench.catalogue.sources import folder_of
from diffbench.libraries.failure import fault_of, text_of
from diffbench.measurement.snapshot import download, find_folder
from diffbench.mechanisms.dtype import HALF, own_dtype
from diffbench.system.arguments import Parser
from diffbench.system.printing import print_anywhere, say
from diffbench.system.program_end import run_program
from diffbench.vocabulary.errors import SetupError, Unsupported, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any


LONGEST = 190  # characters of a line
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
DTYPES = (HALF, "float16", "bfloat16", "float32")
GATED = (
    "{} is gated: accept its licence on the hub, and set HF_TOKEN to a token of yours that may read it, or "
    "run `hf auth login`"
)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipelines", nargs="+", help="names in config/pipelines.yaml")
    parser.add_argument("--weights", default="pretrained", choices=WEIGHTS)
    parser.add_argument("--dtypes", nargs="+", default=[HALF], choices=DTYPES, help="half: each pipeline's own")
    return parser.parse_args(arguments)


def check_token(sources: Iterable[Mapping[str, Any]]) -> None:
    """Raises SetupError if a model is gated and there is no token."""
    gated = [source for source in sources if source.get("gated") and not folder_of(source) and not is_cached(source)]
    if gated and not has_token():
        raise SetupError(GATED.format(gated[0]["hub_id"]))


def is_cached(source: Mapping[str, Any]) -> bool:
    """Whether the hub's cache has the pinned revision of a source; files may be missing there."""
    try:
        find_folder(source)
    except SetupError:
        return False
    return True


def has_token() -> bool:
    """Whether the hub's library finds a token: in a variable, or in the file that a login leaves."""
    with one_line_import_errors("huggingface_hub"):
        import huggingface_hub
    if hasattr(huggingface_hub, "get_token"):
        return bool(huggingface_hub.get_token())
    return bool(huggingface_hub.HfFolder.get_token())  # of older releases


def sources_of(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The repositories of a stage: those of some of its components, and its own. Folders are left out."""
    return [source for source in [*stage.get("components", {}).values(), stage] if not folder_of(source)]


@contextlib.contextmanager
def one_line_errors(what: str, source: Mapping[str, Any]) -> Iterator[None]:
    """Turn any error of the hub, the network or a disk into one line."""
    try:
        yield
    except (SetupError, Unsupported):
        raise
    except Exception as error:
        if type(error).__name__ == "GatedRepoError":
            raise SetupError(GATED.format(source["hub_id"])) from None
        where = f"{what} of {source['hub_id']} at revision {source['revision'][:12]}"
        raise SetupError(one_line(f"{where} cannot be fetched: {reason_of(error)}", LONGEST)) from None


def reason_of(error: Exception) -> str:
    """Why something could not be fetched, with advice if there is any."""
    set_offline = [name for name in OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]
    if set_offline:
        return f"not on this machine; unset {set_offline[0]}"
    if isinstance(error, (NotADirectoryError, FileExistsError, PermissionError)):
        return f"{error.filename}: {error.strerror}; set HF_HOME to a folder that you can write"
    return fault_of(error) or text_of(error)


@contextlib.contextmanager
def one_line_import_errors(library: str) -> Iterator[None]:
    """Turn any error in the import of a library of the hub into one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        said = one_line(f"{type(error).__name__}: {error}", 80)
        raise SetupError(
            f"{library} cannot be imported: {said}; unset variables HF_* that are wrong, or install it again"
        ) from None


def fetch_stage(stage: dict[str, Any], dtype: str) -> Iterator[str]:
    """Fetch a stage's pipeline and its components from other repositories. Raises SetupError if one is not available."""
    with one_line_import_errors("diffusers"):
        import diffusers  # noqa: F401
        import torch

        from diffbench.libraries.classes import find_class
        from diffbench.measurement.load import download_options, dropped_components

    for source in sources_of(stage):
        if Path(source["hub_id"]).is_dir():  # Diffusers would take it for the weights
            raise SetupError(
                f"{source['hub_id']}: a folder of this name is here; start in another folder, or rename it"
            )
        # refuses what has no pinned revision
        options = download_options(source["class"], source, getattr(torch, dtype), fetch=True)
        try:
            with one_line_errors("weights", source):
                if source is stage:
                    without = dict.fromkeys([*stage.get("components", {}), *dropped_components(stage)])
                    find_class(stage["class"]).download(source["hub_id"], **options, **without)
                else:
                    find_class(source["class"]).from_pretrained(source["hub_id"], **options)
        except Unsupported as error:
            yield f"{source['hub_id']}: nothing to fetch: {error}"
            return
        yield f"{source['hub_id']}, {dtype}: fetched"


def fetch_configuration(stage: Mapping[str, Any]) -> Iterator[str]:
    """Fetch the configuration files of the same repositories, without weights. Raises SetupError if they are not available."""
    with one_line_import_errors("huggingface_hub"):
        import huggingface_hub  # noqa: F401
    for source in sources_of(stage):
        with one_line_errors("configuration files", source):
            download(source)
        yield f"{source['hub_id']}, configuration files: fetched"


def fetch(arguments: argparse.Namespace) -> list[str]:
    """Fetch all files of the pipelines and print a line for each repository; errors are printed at the end.

    Raises SetupError if something is not available.
    """
    stages = [stage for name in arguments.pipelines for stage in entry("pipelines", name)["stages"]]
    stages = [stage for stage in stages if needs_files(stage, arguments.weights)]
    check_token([source for stage in stages for source in [stage, *stage.get("components", {}).values()]])
    if arguments.weights == "pretrained":
        fetches = [
            fetch_stage(stage, own_dtype(stage) if dtype == HALF else dtype)
            for dtype in arguments.dtypes
            for stage in stages
        ]
    else:
        fetches = [fetch_configuration(stage) for stage in stages]
    problems = {}
    for fetched in fetches:
        try:
            for line in fetched:
                say(line, sys.stdout)
        except SetupError as error:
            problems[str(error)] = error
    for problem in list(problems)[:-1]:
        say(f"error: {problem}")
    if problems:
        raise list(problems.values())[-1]
    return []


def main() -> int:
    print_anywhere()
    arguments = parse_arguments()
    return run_program(lambda: fetch(arguments))
