"""The command line of the programs that measure: what they have in common."""

import os

from diffbench.catalogue.definition import ROOT
from diffbench.catalogue.environments import INSTALLED
from diffbench.system.arguments import count, optional, path, positive_integer, refusal, versions
from diffbench.vocabulary.names import NAME
from diffbench.vocabulary.sizes import SIZE

from .session import FORKSERVER, START_METHODS
from .start_method import METHOD, OWNER


def add_place(parser):
    """The arguments that say where a measurement is made: device and environment, catalogues and log."""
    parser.add_argument("--gpu", default="auto", help="a name of config/gpus.yaml, or auto: this machine's device")
    parser.add_argument(
        "--torch",
        default=INSTALLED,
        type=name,
        help="a name of envs/torch-<name>.yaml, which is checked, or installed",
    )
    parser.add_argument(
        "--expect",
        default="",
        type=versions,
        help="versions that must be imported: torch=2.13.0,diffusers=0.42.1; by default those of --torch",
    )
    parser.add_argument(
        "--threads", type=optional(positive_integer), help="CPU threads of torch; none: one for each physical core"
    )
    parser.add_argument(
        "--allocated-mib", default=0, type=count, help="of the cluster's job; the run's limit stays below it"
    )
    parser.add_argument("--allocated-minutes", default=0, type=count, help="the same of its run time; 0: no such job")
    parser.add_argument(
        "--owner",
        default=os.environ.get(OWNER),
        type=optional(positive_integer),
        help=f"pid of the workflow, with which the run ends; by default ${OWNER}; none: a run of its own, in a new process",
    )
    parser.add_argument(
        "--start-method",
        default=os.environ.get(METHOD, FORKSERVER),
        choices=START_METHODS,
        help="forkserver: a run of a workflow is forked from a process that has imported the libraries; spawn: it is a new "
        f"process; by default ${METHOD}, else forkserver",
    )
    parser.add_argument("--log", type=path, default=None, help="file for what the measuring process prints")
    parser.add_argument("--root", type=path, default=ROOT, help="folder that holds config/ and resources/")


def size(text):
    if not SIZE.match(text):
        raise refusal(text, "native or a size such as 768x1360 or 480x832x81")
    return text


def name(text):
    if not NAME.match(text):
        raise refusal(text, "letters, digits, '.', '_' and '-'")
    return text


def parse_expected(text):
    """{'torch': '2.13.0'} from 'torch=2.13.0'."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
