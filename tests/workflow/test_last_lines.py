"""Every kind of failure ends with one line that says why: those of docs/errors.md, provoked for real."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import QUICK, ROOT, Project, hide_packages
from diffbench.system.files import to_csv
from diffbench.terminal.reasons import LENGTH

TINY = {
    "name": "tiny",
    "gpus": ["CPU"],
    "pipelines": ["sd-txt2img"],
    "batch_sizes": [1],
    "variants": ["eager"],
    "rounds": 1,
    "exclude": [],
    "measurement": QUICK,
}
RUN = "results/tiny/runs/gpu~CPU/torch~installed/pipeline~sd-txt2img/batch_size~1/variant~eager/round~1/run.csv"
MARKED = "<!-- diffbench:begin table dataset={} gpu=A100 batch_size=1 -->\nold\n"
END = "<!-- diffbench:end -->\n"
LOG = re.compile(r" \(log: [^()]+\)$")
PLAN = [sys.executable, "-m", "snakemake", "--cores", "1", "-n"]
TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
SNAKEMAKE = "What Snakemake says itself"
WITHOUT = [
    "which",
    "bash",
    "sh",
    "env",
    "tail",
    "uname",
    "nproc",
]  # the commands that a start needs, without those that a test removes


def read_kinds():
    """{kind: (its last line, the page's heading above it)} of docs/errors.md."""
    kinds, heading = {}, ""
    for line in (ROOT / "docs/errors.md").read_text(encoding="utf-8").splitlines():
        heading = line.removeprefix("## ") if line.startswith("## ") else heading
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[1].startswith("`"):
            kinds[cells[0]] = (cells[1][1:-1].replace("\\`", "`"), heading)
    return kinds


KINDS = read_kinds()


class Case(Project):
    """A project in which something fails; `output` and `code` are of the last command."""

    def __init__(self, folder):
        self.folder = folder

    def tiny(self, **keys):
        self.edit("config/config.yaml", lambda config: config.update({**TINY, **keys}))

    def start(self, *arguments, environment=None):
        result = self.snakemake(*arguments, check=False, environment=environment)
        self.output, self.code = result.output, result.returncode

    def replace(self, path, old, new):
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def begin(self, *arguments, until):
        """Start Snakemake in its own process group; returns the process, and what it printed up to the line with this text."""
        process = subprocess.Popen(
            self.command(*arguments), cwd=self.folder, env={**os.environ, "NO_COLOR": "1"}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            # a shell that starts the tests in the background has them ignore what a terminal sends
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in TERMINAL],
        )  # fmt: skip
        seen = []
        for line in process.stdout:
            seen.append(line)
            if until in line:
                return process, "".join(seen)
        raise AssertionError("".join(seen))

    def finish(self, process, seen):
        self.output, self.code = seen + process.stdout.read(), process.wait()

    def run(self, command, folder="."):
        """Run a command in a folder of the project."""
        result = subprocess.run(
            list(map(str, command)),
            cwd=self.folder / folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output, self.code = result.stdout, result.returncode

    def measure(self, *arguments):
        self.run([sys.executable, ROOT / "workflow/scripts/measure.py", *arguments])

    def without(self, code):
        """Variables with which every Python runs `code` first."""
        self.write("first/sitecustomize.py", code)
        return {"PYTHONPATH": str(self.folder / "first")}

    def path_of(self, *commands):
        """Variables of a PATH that has these commands only."""
        folder = self.folder / "bin"
        folder.mkdir()
        for name in commands:
            if shutil.which(name):
                (folder / name).symlink_to(shutil.which(name))
        return {"PATH": str(folder)}


def configured(*arguments, **keys):
    """A kind that a key of the config provokes."""

    def provoke(case):
        case.tiny(**keys)
        case.start(*arguments)

    return provoke


def add_to_config(text, at_start=False):
    def provoke(case):
        case.tiny()
        file = case.folder / "config/config.yaml"
        file.write_text(text + file.read_text() if at_start else file.read_text() + text)
        case.start("-n")

    return provoke


def foreign(case):
    case.write("foreign.csv", "a,b\n1,2\n")
    case.tiny(external=["foreign.csv"])
    case.start()


def contradiction(case):
    rows = (ROOT / "resources/measured/cpu-torch-2.1-2.13/measurements.csv").read_text(encoding="utf-8")
    case.write("saved.csv", rows.replace("CPU,2.13,", "CPU,2.1,"))
    case.tiny(gpus=[], external=["saved.csv"])
    case.start("-n")


def elsewhere(case):
    (case.folder / "empty").mkdir()
    case.run([*PLAN, "--snakefile", case.folder / "Snakefile"], "empty")


def as_module(case):
    case.write(
        "other/Snakefile", 'module diffbench:\n    snakefile: "../Snakefile"\n\nuse rule * from diffbench as d_*\n'
    )
    case.run(PLAN, "other")


def braces(case):
    shutil.copytree(case.folder, case.folder / "a{x}", ignore=shutil.ignore_patterns("a{x}"))
    case.run(PLAN, "a{x}")


def old_snakemake(case):
    case.start(environment=case.without("import snakemake.common\nsnakemake.common.__version__ = '9.16.3'\n"))


def no_pandas(case):
    hidden = "import importlib.util\nfind = importlib.util.find_spec\n"
    hidden += "importlib.util.find_spec = lambda name, *more: None if name == 'pandas' else find(name, *more)\n"
    case.start(environment=case.without(hidden))


def no_torch(case):
    case.tiny()
    case.start(environment=case.without(hide_packages("torch", "diffusers", "transformers")))


def no_scipy(case):
    case.start("published", environment=case.without(hide_packages("scipy")))


def no_conda(case):
    case.start("--use-conda", "published", environment=case.path_of(*WITHOUT))


def no_index(case):
    case.tiny(torch=["2.1"])
    case.start(environment={"UV_OFFLINE": "1", "UV_CACHE_DIR": str(case.folder / "none")})


def blocking(case):
    case.tiny()
    case.start(RUN, environment={"CUDA_LAUNCH_BLOCKING": "1"})


def no_compiler(case):
    case.tiny(variants=["compile"], baseline={"variant": "compile"})
    case.start(RUN.replace("eager", "compile"), environment={**case.path_of(*WITHOUT), "CXX": "no-such-compiler"})


def no_weights(case):
    case.tiny(scale="full", weights="pretrained")
    case.start("weights", environment={"HF_HUB_OFFLINE": "1", "HF_HOME": str(case.folder / "none")})


def slurm_auto(case):
    case.tiny(gpus=["auto"])
    case.start("--executor", "slurm", "--jobs", 1)


def no_slurm(case):
    case.tiny(gpus=["A100"])
    patient = ("--slurm-init-seconds-before-status-checks", 1)
    target = RUN.replace("CPU", "A100")
    case.start("--executor", "slurm", "--jobs", 1, *patient, target, environment=case.path_of(*WITHOUT))


def file_in_place(case):
    case.write("results", "")
    case.start("published")


def disk_full(case):
    folder = case.folder / "results"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        case.start("published")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def unknown_rule(case):
    case.start("tabels")


def no_input(case):
    (case.folder / "resources/published/pytorch2.yaml").unlink()
    case.start("results/pytorch2/tables.md")


def locked(case):
    process, seen = case.begin("results/pytorch2/summary.csv", until="Read the published")
    try:
        os.killpg(process.pid, signal.SIGSTOP)
        case.start("published")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def interrupt(case, *signals):
    case.tiny()
    process, seen = case.begin(RUN, until="speed-up")
    time.sleep(1)
    for number in signals or [signal.SIGINT]:
        os.killpg(process.pid, number)
        time.sleep(0.1)
    case.finish(process, seen)


def killed(case):
    case.tiny()
    process, seen = case.begin(RUN, until="speed-up")
    deadline = time.monotonic() + 60
    while not (found := measuring(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(found[0], signal.SIGKILL)
    case.finish(process, seen)


def measuring(group):
    """The measuring processes of a group that were started by a shell, not by another of them."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            _, parent, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and any(word.endswith("measure.py") for word in words[:2]):
            found[int(folder.name)] = int(parent)
    return [process for process, parent in found.items() if parent not in found]


def run_file(text):
    def provoke(case):
        case.tiny()
        case.write(RUN, text)
        case.start("results/tiny/measurements.csv")

    return provoke


def run_of_another(**keys):
    """A run.csv whose row is of another cell or definition than its folder and the plan say."""

    def provoke(case):
        case.tiny()
        with open(ROOT / "resources/measured/cpu-torch-2.1-2.13/measurements.csv", encoding="utf-8") as file:
            row = next(row for row in csv.DictReader(file) if row["pipeline"] == "sd-txt2img" and row["round"] == "1")
        own = {"torch": "installed", "batch_size": 1, "variant": "eager"}
        case.write(RUN, to_csv([{**row, **own, **keys}], list(row)))
        case.start("results/tiny/measurements.csv")

    return provoke


def collected_file(case):
    case.tiny()
    for name in ("runs/none", "calls.csv", "fidelity.csv", "ceilings/gpu~CPU/torch~installed.csv"):
        case.write(f"results/tiny/{name}", "")
    case.write("results/tiny/measurements.csv", "gpu,torch,pipe")
    case.start("results/tiny/summary.csv", "--allowed-rules", "summary")


def document(text, name="broken.md"):
    def provoke(case):
        case.write("broken.md", text)
        case.tiny(documents=[name])
        case.start("documents_check", "--rerun-triggers", "mtime")

    return provoke


def several(case):
    for name in ("one", "two"):
        broken = f'rule {name}:\n    log: "{name}.log"\n    shell: "echo error: {name} > {{log}}; exit 1"\n'
        case.replace("workflow/rules/report_pages.smk", "rule report_pages:", f"{broken}\n\nrule report_pages:")
    case.start("--keep-going", "one", "two")
    reported = [line for line in case.output.splitlines() if line.startswith("error: ")]
    assert sorted(reported[:2]) == [f"error: {name} (log: {name}.log)" for name in ("one", "two")]


def fault_in_script(case):
    fault = 'def read_published(path):\n    {}["gpu"]\n\n\ndef other('
    case.replace("workflow/scripts/diffbench/statistics/published.py", "def read_published(", fault)
    case.start("results/pytorch2/summary.csv")
    assert "Traceback" in (case.folder / "results/pytorch2/logs/summary.log").read_text()


def fault_in_rule(case):
    case.replace("workflow/rules/report_pages.smk", "rule report_pages:", '{}["gpu"]\n\n\nrule report_pages:')
    case.start("published")


def measure(*arguments, pipeline="sd-txt2img", batch_size=1, output="out", variant="eager"):
    def provoke(case):
        case.write("file", "")
        cell = ["--pipeline", pipeline, "--batch-size", batch_size, "--variant", variant]
        case.measure(*cell, "--output", output, *arguments)

    return provoke


def open_cache(case):
    (case.folder / "open").mkdir()
    (case.folder / "open").chmod(0o777)
    measure("--cache-folder", "open")(case)


def no_cores(case):
    case.run([sys.executable, "-m", "snakemake"])


def no_yaml(case):
    case.write("mine.yaml", "a: [1\n")
    case.start("--configfile", "mine.yaml")


PROVOKE = {
    "the config is not YAML": add_to_config("name: [\n", at_start=True),
    "a key is in the config twice": add_to_config("rounds: 2\n"),
    "unknown key": configured("-n", nam="x"),
    "value of the wrong type": configured("-n", rounds="one"),
    "release that YAML reads as a number": configured("-n", torch=[2.10]),
    "unknown pipeline": configured(pipelines=["sd-txt2im"]),
    "unknown torch build": configured(torch=["9.9"]),
    "unknown GPU": configured(gpus=["H300"]),
    "name of a committed dataset": configured(name="pytorch2"),
    "external file missing": configured(external=["nothere"]),
    "external row that contradicts itself": contradiction,
    "external file with a foreign column": foreign,
    "Snakemake too old": old_snakemake,
    "pandas not installed": no_pandas,
    "torch not installed": no_torch,
    "packages for figures not installed": no_scipy,
    "conda not installed, with --use-conda": no_conda,
    "environment cannot be built": no_index,
    "no such GPU here": configured(RUN.replace("CPU", "A100"), gpus=["A100"]),
    "variable that changes every rate": blocking,
    "no C++ compiler": no_compiler,
    "weights neither here nor reachable": no_weights,
    "compiled code cannot be used from the cache's folder": measure("--cache-folder", "a b", variant="compile"),
    "others can write to the cache's folder": open_cache,
    "Slurm asked to measure `auto`": slurm_auto,
    "Slurm not installed": no_slurm,
    "results cannot be written": file_in_place,
    "disk full": disk_full,
    "started in another folder": elsewhere,
    "project in a folder with braces": braces,
    "used as a module": as_module,
    "unknown rule or file": unknown_rule,
    "no --cores": no_cores,
    "input missing": no_input,
    "another Snakemake runs here": locked,
    "Ctrl-C": interrupt,
    "measuring process killed": killed,
    "run.csv cut off": run_file("gpu,torch,pipe"),
    "run.csv of another program": run_file("a,b\n1,2\n"),
    "run.csv of another run": run_of_another(variant="fused"),
    "run.csv of another definition": run_of_another(definition="0123456789ab"),
    "collected file cut off": collected_file,
    "no document in the config": configured("documents"),
    "document missing": document("", name="nothere.md"),
    "marker without its end": document(MARKED.format("pytorch2")),
    "marker of an unknown dataset": document(MARKED.format("nope") + END),
    "documents are stale": document(MARKED.format("pytorch2") + END),
    "several jobs failed": several,
    "in a script": fault_in_script,
    "in a rule": fault_in_rule,
    "unknown pipeline of measure.py": measure(pipeline="sd-txt2im"),
    "negative argument of measure.py": measure(batch_size=-1),
    "output of measure.py cannot be written": measure(output="file/out"),
    "config of --configfile missing": lambda case: case.start("--configfile", "none.yaml"),
    "config of --configfile is not YAML": no_yaml,
}


def test_the_page_and_the_tests_have_the_same_kinds():
    assert list(KINDS) == list(PROVOKE)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A project that Python has compiled, with the results of a published dataset."""
    project = Project(tmp_path_factory.mktemp("last") / "project")
    project.snakemake("published")
    return project


SLOW = ("Slurm not installed", "weights neither here nor reachable", "no C++ compiler", "no such GPU here")
DOCUMENTS = ("marker without its end", "marker of an unknown dataset", "documents are stale")  # those that need results


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in PROVOKE])
def test_the_last_line_says_why(kind, planned, tmp_path):
    shutil.copytree(planned.folder, tmp_path / "project")
    case = Case(tmp_path / "project")
    if kind not in DOCUMENTS:
        shutil.rmtree(case.folder / "results")
    PROVOKE[kind](case)
    expected, heading = KINDS[kind]
    last = case.output.rstrip("\n").splitlines()[-1]
    pattern = ".*".join(map(re.escape, expected.split("…")))
    assert re.fullmatch(pattern, last), case.output[-3000:]
    assert case.code != 0
    if heading != SNAKEMAKE:
        assert len(LOG.sub("", last).replace(str(tmp_path), "")) <= LENGTH
        assert "Traceback" not in case.output
        logs = re.findall(LOG, last) if kind != "disk full" else []  # that disk is gone
        assert all((case.folder / log[len(" (log: ") : -1]).is_file() for log in logs)
    assert "Error in rule" not in case.output and "Complete log" not in case.output


@pytest.mark.parametrize("signals", ["HUP", "QUIT", "TERM", "INT INT INT"])
def test_a_signal_ends_all_in_one_line_and_leaves_no_lock(signals, planned, tmp_path):
    case = Case(planned.copy(tmp_path / "project").folder)
    interrupt(case, *(signal.Signals[f"SIG{name}"] for name in signals.split()))
    said = [line for line in case.output.splitlines() if re.search("interrupted|Traceback|rror|exit", line)]
    assert said == case.output.splitlines()[-1:] == ["interrupted: 0 of 1 runs are measured; start again to continue"]
    assert not list(case.folder.glob(".snakemake/locks/*"))


@pytest.mark.parametrize("streams", ["2>&-", "0<&- >&- 2>&-"])
def test_streams_that_are_closed_stop_no_run(streams, planned, tmp_path):
    case = Case(planned.copy(tmp_path / "project").folder)
    case.tiny()
    case.run(["bash", "-c", f'"$@" {streams}', "bash", *case.command(RUN)])
    assert case.code == 0 and (case.folder / RUN).is_file(), case.output
