"""Measure on this machine's GPU what is missing of its dataset, most valuable first: one command, without network.

    python tests/gpu/run.py [--wheels FOLDER] [--minutes 9] [--output gpu] [--copy FOLDER] [--revision COMMIT]

It takes a CUDA device, torch, transformers and accelerate; what else is missing comes as wheels in a folder (wheels.py). The list
of work is config/gpu-sessions.yaml. What resources/measured/<gpu>-torch-<release>/ has under its present definition is done, and
so is what an earlier session left in the output folder. It ends within its minutes, or when nothing that is left would fit, and
says what it measured, what comes next and how the minutes were spent.

The output folder gets <gpu>-torch-<release>.zip after every run: `python tests/gpu/merge.py` puts it into the dataset. --copy
names another folder for that file.
"""

import argparse
import importlib
import importlib.util
import signal
import sys
import time
import zipfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "workflow/scripts")]
from packaging.utils import canonicalize_name  # noqa: E402
from wheels import PACKAGES, SITE  # noqa: E402

from diffbench.system.arguments import Parser, path, positive_number  # noqa: E402
from diffbench.system.printing import print_anywhere  # noqa: E402
from diffbench.system.program_start import end, interrupt  # noqa: E402

sys.path.append(str(SITE))


def parse_arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=path, help="folder of wheels; those of packages that are missing are used")
    parser.add_argument("--minutes", type=positive_number, default=9.0, help="after which it ends")
    parser.add_argument(
        "--output", type=path, default=ROOT / "gpu", help="folder of what is measured; kept between sessions"
    )
    parser.add_argument("--copy", type=path, help="another folder for the archive, which is renewed after every run")
    parser.add_argument("--revision", help="the commit of this copy of the project, if the copy has no history")
    parser.add_argument("--list", type=path, help="the list of work, instead of config/gpu-sessions.yaml")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="entries of the list, in this order")
    parser.add_argument("--plan", action="store_true", help="say what is missing, and measure nothing")
    parser.add_argument("--gpu", help="with --plan: a name of config/gpus.yaml, instead of this machine's GPU")
    parser.add_argument("--torch", help="with --plan: a release such as 2.11, instead of the one that is installed")
    parser.add_argument(
        "--rehearse", action="store_true", help="miniatures, also on a CPU: shows that the command works, no more"
    )
    return parser.parse_args()


def unpack(wheels):
    """Unpack the wheels of packages that are missing. Raises OSError or BadZipFile."""
    there = {canonicalize_name(found.metadata["Name"]) for found in metadata.distributions()}
    for wheel in sorted(wheels.glob("*.whl")):
        if canonicalize_name(wheel.name.split("-")[0]) not in there:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(SITE)
    importlib.invalidate_caches()


def lacking(rehearse):
    """What this machine lacks, in one line; None if it has all. Imports nothing large."""
    absent = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if absent:
        names = ", ".join(absent)
        return (
            f"{names} cannot be imported; put the wheels into a folder (tests/gpu/wheels.py) and name it with --wheels"
        )
    from diffbench.measurement.toolchain import check_toolchain
    from diffbench.vocabulary.errors import SetupError

    try:
        check_toolchain()
    except SetupError as error:
        return str(error)
    return None


def main():
    print_anywhere()
    # in a shell's background SIGINT is ignored, also by what is started from here
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    begin_s, arguments = time.monotonic(), parse_arguments()
    try:
        if arguments.wheels:
            unpack(arguments.wheels)
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(f"error: --wheels {arguments.wheels}: {error}; have the folder made again by tests/gpu/wheels.py")
    problem = lacking(arguments.rehearse)
    if problem:
        sys.exit(f"error: {problem}")
    import worklist
    from session import Session

    from diffbench.catalogue.devices import resolve_auto
    from diffbench.system.folders import check_output
    from diffbench.vocabulary.errors import DiffbenchError

    try:
        gpu = (arguments.plan and arguments.gpu) or resolve_auto()
        if gpu == "CPU" and not arguments.rehearse:
            print("skipped: this machine has no NVIDIA GPU, so nothing was measured")
            return
        release = (arguments.plan and arguments.torch) or metadata.version("torch")
        arguments.output = arguments.output.resolve()
        session = Session(arguments, gpu, release, begin_s)
        left = session.left()
        print(f"{session.name}: {len(left)} of {len(session.steps)} steps are missing")
        print(*worklist.describe(session.steps, left), sep="\n", flush=True)
        if arguments.plan:
            return
        for folder in filter(None, (arguments.output, arguments.copy)):
            check_output(folder, [f"{session.name}.zip"])
        arguments.output.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupt)
        try:
            session.measure()
        except KeyboardInterrupt:
            print("interrupted: what is measured is kept")
        session.comparing.compare()
        session.save()
        session.report()
    except DiffbenchError as error:
        sys.exit(f"error: {error}")
    if session.failed:
        sys.exit(f"error: failed: {', '.join(session.failed)}; see above")


if __name__ == "__main__":
    main()
