"""What the tests share: a copy of the project to run and to edit, and rows as a measurement writes them."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from fake_files import files  # noqa: F401

# torch's threads sleep while they wait for each other: awake, they take the CPUs from each other and from what runs beside
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).resolve().parents[1]
PARTS = ["Snakefile", "config", "envs", "profiles", "report", "resources", "workflow"]
PLAIN = ("snakemake", "pandas", "jsonschema", "PyYAML")  # what the Snakefile imports
VISIBLE = os.environ.get("CUDA_VISIBLE_DEVICES")
DEFAULT_CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
WHOLE_CONFIG = {**DEFAULT_CONFIG, "exclude": []}  # with all cells of its matrix
LONGEST = (  # files of tests that take minutes
    "test_releases",
    "test_conda",
    "test_slurm",
    "test_page",
    "test_variants",
    "test_built",
    "test_other_sizes",
    "test_published_documents",
    "test_bundle",
    "test_statuses",
    "test_workflow",
    "test_measurement",
    "test_failed_runs",
    "test_weights",
    "test_report",
    "test_pipelines",
    "test_compiler_caches",
)
QUICK = {  # of a config's `measurement`: the fewest calls that make a row
    "warmup_calls": 1,
    "max_warmup_calls": 1,
    "calls": 2,
    "max_calls": 2,
    "max_seconds": 60,
    "target_percent": None,
    "time_limit_s": 600,
}


def pins(*names):
    """The lines of requirements.txt that pin these packages, without their extras."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].partition("[")[0]: re.sub(r"\[.*\]", "", line) for line in lines if "==" in line}
    return [pinned[name] for name in names]


def progress_rows(output):
    """What the table that fills while runs are measured says in the first line of each run, as words."""
    return [line.split() for line in output.splitlines() if re.match(r" *\d+/\d+ ", line)]


def hide_packages(*names):
    """Code that makes packages look as if they were not installed; the Python that imports it first sees them no more."""
    return f"""
import importlib.util
from importlib import metadata

version, find_spec = metadata.version, importlib.util.find_spec


def hidden_version(name):
    if name in {names}:
        raise metadata.PackageNotFoundError(name)
    return version(name)


metadata.version = hidden_version
importlib.util.find_spec = lambda name, *more: None if name in {names} else find_spec(name, *more)
"""


class Project:
    """A copy of the project in a folder of its own, with a config to run."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, self.folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, self.folder / part)

    def copy(self, folder):
        """A copy of the project and of its results, to be changed; Snakemake compares times, so they are kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        project = Project.__new__(Project)
        project.folder = Path(folder)
        return project

    def edit(self, path, change):
        """Let `change` edit the content of a YAML file in place."""
        file = self.folder / path
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        change(content)
        file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def configure(self, **keys):
        """Replace keys of config/config.yaml. As long as it is a quick look, that makes it two rounds of all cells."""

        def change(config):
            if config["exclude"] == DEFAULT_CONFIG["exclude"]:
                config.update(exclude=[], rounds=2)
            config.update(keys)

        self.edit("config/config.yaml", change)

    def command(self, *arguments):
        return [sys.executable, "-m", "snakemake", "--cores", "1", *map(str, arguments)]

    def snakemake(self, *arguments, check=True, environment=None):
        """Run Snakemake. Returns the completed process with stdout and stderr in `output`."""
        result = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        result.output = result.stdout
        if check:
            assert result.returncode == 0, result.output
        return result

    def planned(self, *arguments):
        """How many runs a dry run would measure."""
        output = self.snakemake("-n", *arguments).output
        counts = [line.split() for line in output.splitlines() if line.startswith("measure ")]
        return int(counts[0][1]) if counts else 0

    def run_folder(self, pipeline, batch_size=1, variant="eager", round_number=1):
        """The folder of a run of the config's dataset on this machine."""
        name = yaml.safe_load((self.folder / "config/config.yaml").read_text(encoding="utf-8"))["name"]
        cell = f"pipeline~{pipeline}/batch_size~{batch_size}/variant~{variant}/round~{round_number}"
        return Path("results") / name / "runs" / "gpu~CPU" / "torch~installed" / cell


def pytest_collection_modifyitems(items):
    """The files that take longest come first, so that all processes end at about the same time."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@contextmanager
def visible_gpus(value):
    """For a while CUDA_VISIBLE_DEVICES is `value`; None: it is not set."""
    with pytest.MonkeyPatch.context() as patch:
        if value is None:
            patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            patch.setenv("CUDA_VISIBLE_DEVICES", value)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_gpu(tmp_path_factory):
    """The tests expect the CPU, also on a machine that has a GPU; tests/gpu is for those. Processes of tests measure beside each
    other: no test looks at how fast it was."""
    with visible_gpus(""), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFBENCH_LOCKS", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; without one, or without Playwright, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium on the PATH: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens a page; at the end it had no error, and had asked the network for nothing."""
    wrong, contexts = [], []

    def visit(path, fragment="", width=1280):
        context = browser.new_context(viewport={"width": width, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not is_local(request.url) else None)
        page.goto(path.as_uri() + (f"#{fragment}" if fragment else ""))
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def is_local(url):
    return url.startswith(("file:", "data:", "blob:"))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


DEVICES = {  # a name that the driver reports, by the name in the catalogue
    "CPU": "AMD EPYC",
    "T4": "Tesla T4",
    "RTX-4090": "NVIDIA GeForce RTX 4090",
    "H100-SXM": "NVIDIA H100 80GB HBM3",
    "H200": "NVIDIA H200",
}


def agreeing(keys):
    """The columns of `keys` as text, with others of a row that would not agree with them: device, release, and what follows
    from the rate."""
    row = {key: str(value) for key, value in keys.items()}
    if row.get("gpu") in DEVICES:
        row.setdefault("device_name", DEVICES[row["gpu"]])
    release = re.match(r"\d+\.\d+", row.get("torch", ""))
    if release and release.group() != "2.0":
        row.setdefault("torch_version", f"{release.group()}.0+cu118")
    if row.get("torch", "").startswith("nightly"):
        row.setdefault("torch_version", "2.16.0.dev20261120+cu130")
    numbers = ("batch_size", "iterations", "iterations_per_second", "latency_s")
    given = {key: float(row[key]) for key in numbers if re.fullmatch(r"[0-9.]+", row.get(key, ""))}
    rate, iterations = given.get("iterations_per_second", 20), given.get("iterations", 50)
    if rate > 0 and given:
        latency_s = given.get("latency_s", iterations / rate)
        row.setdefault("latency_s", f"{latency_s:.6g}")
        if latency_s > 0:
            row.setdefault("images_per_second", f"{given.get('batch_size', 1) / latency_s:.6g}")
            row.setdefault("iterations_per_second", f"{max(rate, iterations / latency_s):.6g}")
    return row


@pytest.fixture
def make_row():
    """A measurement row as text; keys replace its columns."""
    from diffbench.vocabulary.columns import COLUMNS

    def make(**keys):
        row = dict.fromkeys(COLUMNS, "")
        row.update(
            gpu="A100",
            torch="2.0",
            pipeline="sd-txt2img",
            stage="1",
            batch_size="1",
            size="native",
            variant="eager",
            round="1",
            status="ok",
            definition="0123456789ab",
            calls="5",
            iterations="50",
            denoiser_calls="51",
            iterations_per_second="20",
            latency_s="2.5",
            images_per_second="0.4",
            device_name="NVIDIA A100-SXM4-40GB",
            torch_version="2.0.1+cu118",
            diffusers_version="0.31.0",
            threads="8",
            dtype="float16",
            scale="full",
            weights="random",
            started_at="2026-11-20T10:00:00Z",
        )
        row.update(agreeing(keys))
        if row["status"] != "ok":
            row.update(iterations_per_second="", latency_s="", images_per_second="", detail=row["detail"] or "why")
        return row

    return make


@pytest.fixture
def runs(tmp_path, make_row):
    """Run folders to add to, and what becomes of them."""
    from kept import Runs

    return Runs(tmp_path, make_row)


@pytest.fixture
def filling(tmp_path, make_row):
    """Makes tables that fill, in a folder of the test."""
    from filling import Table

    return lambda runs, **keys: Table(tmp_path, make_row, runs, **keys)
