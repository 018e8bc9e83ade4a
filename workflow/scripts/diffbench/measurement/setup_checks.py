"""The set-up of a run, checked before anything is measured: the environment, device and release, the folders, the compiler."""

import os

from diffbench.catalogue.definition import recipe_of
from diffbench.catalogue.devices import describe_gpu, describe_passed_over, resolve_auto
from diffbench.catalogue.environments import INSTALLED, read_environment
from diffbench.mechanisms.registry import libraries_of
from diffbench.system.compiler_caches import default_folder, without_links
from diffbench.system.environment_variables import check_refused, describe_ignored
from diffbench.system.folders import check_cache, check_file, check_output, check_temporary
from diffbench.system.printing import say
from diffbench.system.program_end import add_line
from diffbench.system.threads import check_threads, default_threads

from .toolchain import check_toolchain


def set_up_process(arguments):
    """Resolve `arguments.threads`, and report the environment variables that are ignored: in the log, if there is one, for the
    workflow reports them itself. Raises SetupError for variables and numbers of threads that cannot be measured with."""
    check_refused(os.environ)
    arguments.threads = arguments.threads or default_threads()
    check_threads(arguments.threads, "threads")
    line = describe_ignored(os.environ)
    if line and not (arguments.log and add_line(arguments.log, line)):
        say(line)


def resolve_place(arguments):
    """The device's name, its entry in the catalogue and the versions that must be imported. Raises DiffbenchError."""
    gpu = resolve_auto(arguments.root) if arguments.gpu == "auto" else arguments.gpu
    passed_over = describe_passed_over(gpu) if arguments.gpu == "auto" else None
    if passed_over:
        say(passed_over)
    gpu_entry = describe_gpu(gpu, arguments.root)
    if gpu_entry.get("untested"):
        say(f"gpu {gpu}: devices of this kind are untested: look twice at what is measured")
    if arguments.torch != INSTALLED and not arguments.expect:
        variant = getattr(arguments, "variant", None)  # a ceiling has none
        used = libraries_of(recipe_of(variant, arguments.root)) if variant else ()
        return gpu, gpu_entry, read_environment(arguments.torch, arguments.root).expected(used)
    return gpu, gpu_entry, arguments.expect


def check_places(arguments, folder, files, folders=()):
    """Raises SetupError where the log, the folder for temporary files or the output, `files` and `folders` in `folder`, cannot be
    written. Leaves nothing in them."""
    check_file(arguments.log)
    check_temporary()
    check_output(folder, files, folders)


def check_compiler(folder, compiled, gpu_entry):
    """The folder of the compiler caches; `folder`: what the user has named, if anything. Raises SetupError where it cannot be
    used, or a variant is `compiled` and a small library cannot be built there and loaded."""
    folder = without_links(folder) if folder else default_folder()
    if compiled:
        check_toolchain(folder, gpu_entry.get("device", "cuda") == "cuda")
    else:
        check_cache(folder)
    return folder
