"""The arguments that the measuring programs share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from diffbench.catalogue.definition import ROOT
from diffbench.catalogue.environments import INSTALLED
from diffbench.system.arguments import non_negative_integer, optional, path, positive_integer, refusal, versions
from diffbench.vocabulary.names import NAME
from diffbench.vocabulary.sizes import SIZE

from .session import FORKSERVER, START_METHODS
from .start_method import METHOD_VARIABLE, OWNER_VARIABLE

if TYPE_CHECKING:
    import argparse


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for device and environment, catalogues and log."""
    parser.add_argument("--gpu", default="auto", help="a name in config/gpus.yaml, or auto: this machine's device")
    parser.add_argument(
        "--torch",
        default=INSTALLED,
        type=name,
        help="a name of envs/torch-<name>.yaml, whose pins are checked, or installed: this Python",
    )
    parser.add_argument(
        "--expect",
        default="",
        type=versions,
        help="required versions, such as torch=2.13.0,diffusers=0.42.1; by default those of --torch",
    )
    parser.add_argument(
        "--threads", type=optional(positive_integer), help="CPU threads of torch; none: one per physical core"
    )
    parser.add_argument(
        "--allocated-mib",
        default=0,
        type=non_negative_integer,
        help="memory of the cluster's job; the run's own limit stays below it",
    )
    parser.add_argument(
        "--allocated-minutes", default=0, type=non_negative_integer, help="run time of that job; 0: no such job"
    )
    parser.add_argument(
        "--owner",
        default=os.environ.get(OWNER_VARIABLE),
        type=optional(positive_integer),
        help=f"pid of the workflow that the run ends with; by default ${OWNER_VARIABLE}; none: no workflow, a new process",
    )
    parser.add_argument(
        "--start-method",
        default=os.environ.get(METHOD_VARIABLE, FORKSERVER),
        choices=START_METHODS,
        help="forkserver: a run of a workflow is forked from a process that has imported the libraries; spawn: a new "
        f"process; by default ${METHOD_VARIABLE}, else forkserver",
    )
    parser.add_argument("--log", type=path, default=None, help="file for the output of the measuring process")
    parser.add_argument("--root", type=path, default=ROOT, help="folder with config/ and resources/")


def size(text: str) -> str:
    if not SIZE.match(text):
        raise refusal(text, "native or a size such as 768x1360 or 480x832x81")
    return text


def name(text: str) -> str:
    if not NAME.match(text):
        raise refusal(text, "letters, digits, '.', '_' and '-'")
    return text


def parse_expected(text: str) -> dict[str, str]:
    """{'torch': '2.13.0'} from 'torch=2.13.0'."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
