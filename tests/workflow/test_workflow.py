"""The real workflow on a small matrix: what is measured, what runs again, what a user sees."""

import csv
import os
import re
import shlex
import signal
import subprocess
import time

import pytest

from conftest import QUICK, Project, progress_rows
from diffbench.system.compiler_caches import cell_cache
from diffbench.system.threads import default_threads, usable_cpus
from running import rows_of

SMALL = {
    "name": "small",
    "pipelines": ["sd-txt2img"],
    "batch_sizes": [1, 2],
    "variants": ["eager", "contiguous"],
    "measurement": QUICK,
}


UNCHANGED = ("keep_caches=False", "threads=")  # as the config has them, in the spelling of the command line


def small(folder):
    """A project whose matrix has two batch sizes and two variants that compile nothing."""
    project = Project(folder)
    project.configure(**SMALL)
    contiguous = {"label": "contiguous", "memory_format": "contiguous"}
    project.edit("config/variants.yaml", lambda variants: variants.update(contiguous=contiguous))
    return project


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A project after its first whole run, and what that printed."""
    folder = tmp_path_factory.mktemp("workflow")
    project = small(folder / "project")
    project.caches = folder / "caches"
    # variables that the runs must not get
    users = {"DIFFBENCH_CACHE": str(project.caches), "DIFFUSERS_ATTN_BACKEND": "_native_math", "OMP_NUM_THREADS": "77"}
    project.first = project.snakemake("--config", *UNCHANGED, environment=users).output
    return project


@pytest.fixture
def copy(measured, tmp_path):
    """A copy of the measured project, to be changed."""
    return measured.copy(tmp_path / "project")


def test_a_row_is_printed_when_a_run_ends(measured):
    rows = progress_rows(measured.first)
    assert [row[0] for row in rows] == [f"{number}/8" for number in range(1, 9)]
    assert [int(row[6]) for row in rows] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert {tuple(row[3:6]) for row in rows} == {
        ("sd-txt2img", size, variant) for size in "12" for variant in ("eager", "contiguous")
    }
    for _, _, _, pipeline, batch_size, variant, round_number, rate, *_ in rows:
        (run,) = rows_of(measured.folder / measured.run_folder(pipeline, batch_size, variant, round_number))
        assert float(rate) == pytest.approx(float(run["iterations_per_second"]), abs=0.01)
    assert len(re.findall(r"contiguous +\d +[\d.]+  [\d.]+x$", measured.first, re.MULTILINE)) == 4, "one a pair"
    assert "snakemake --cores 1 so_far" in measured.first.split(" 1/8 ")[0].split("8 runs.")[1]


def test_the_command_that_is_printed_is_one_that_works(measured, copy):
    (printed,) = re.findall(r"snakemake --cores 1 (so_far .*)", measured.first)
    assert shlex.split(printed) == ["so_far", "--config", *UNCHANGED]
    assert copy.planned(*shlex.split(printed)) == 0


def test_nothing_hides_the_rows(measured):
    table = measured.first.split("speed-up\n")[1].split("\n\n")[0]
    assert len(progress_rows(table)) == 8
    assert all("sd-txt2img" in line for line in table.splitlines()), table
    log = next((measured.folder / ".snakemake/log").glob("*.log")).read_text(encoding="utf-8")
    assert log.count(": Run ") == log.count("(Rule: measure)") == 8, "Snakemake's own log has all"


def test_the_table_is_printed_at_the_end(measured):
    assert "### CPU (batch size: 2)" in measured.first
    assert re.search(r"\| +SD - txt2img +\| +[0-9.]+ +\| +[0-9.]+ +\|", measured.first)
    assert "miniature architectures with random weights" in measured.first


def test_results_are_complete(measured):
    results = measured.folder / "results/small"
    for name in ("measurements.csv", "summary.csv", "tables.md", "tables/CPU-batch-1.md", "figures/speedup.svg"):
        assert (results / name).stat().st_size, name
    assert (results / "ceilings/gpu~CPU/torch~installed.csv").stat().st_size
    assert (results / "figures/speedup.png").read_bytes().startswith(b"\x89PNG")
    assert (results / "strips/CPU-installed-sd-txt2img-batch-2.png").read_bytes().startswith(b"\x89PNG")
    assert len((results / "fidelity.csv").read_text().splitlines()) == 1 + 8
    assert len((results / "measurements.csv").read_text().splitlines()) == 1 + 8


def test_threads_are_this_machines_whatever_snakemake_was_given(measured):
    """Snakemake was given one core, and the user's environment names 77 threads."""
    with open(measured.folder / "results/small/measurements.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["threads"] for row in rows} == {str(default_threads())}
    assert all(f"OMP_NUM_THREADS={default_threads()}" in row["environment_variables"] for row in rows)
    assert measured.planned("--cores", 2) == 0


def test_ignored_variables_are_named_once(measured):
    assert measured.first.count("ignored: DIFFUSERS_ATTN_BACKEND") == 1
    logs = [path.read_text() for path in measured.folder.rglob("results/small/runs/**/measure.log")]
    assert len(logs) == 8 and all(log.startswith("ignored: DIFFUSERS_ATTN_BACKEND") for log in logs)


def test_no_compiler_cache_is_left_after_the_last_round(measured):
    assert measured.caches.is_dir() and not list(measured.caches.iterdir())


def test_a_target_deletes_the_caches_that_no_run_uses(measured):
    with cell_cache(measured.caches, "left", 1, "shared"):
        pass
    output = measured.snakemake("clean_caches", environment={"DIFFBENCH_CACHE": str(measured.caches)}).output
    assert f"{measured.caches}: 1 compiler cache(s) deleted" in output
    assert not list(measured.caches.iterdir())


def test_another_number_of_threads_measures_all_again(copy):
    copy.configure(threads=default_threads() % len(usable_cpus()) + 1)
    assert copy.planned() == 8


@pytest.mark.skipif(len(usable_cpus()) < 2, reason="this process may use one CPU alone")
def test_a_start_with_fewer_cpus_measures_nothing_again(measured):
    """As on the login node of a cluster, or in an allocation: finished runs would be deleted before they are measured again."""
    cpus = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cpus)})
        assert default_threads() == 1
        assert measured.planned() == 0
    finally:
        os.sched_setaffinity(0, cpus)


def test_a_second_start_measures_nothing(measured):
    assert measured.planned() == 0


def test_editing_scripts_measures_nothing_again(copy):
    for script in [*copy.folder.glob("workflow/scripts/**/*.py"), *copy.folder.glob("workflow/rules/*.smk")]:
        script.write_text(script.read_text() + "\n# edited\n")
    assert copy.planned() == 0
    assert not re.search("^ceiling ", copy.snakemake("-n").output, re.MULTILINE)


def test_a_dtype_more_measures_the_ceilings_again_and_another_variant_does_not(copy):
    def ceilings_are_planned(variant):
        copy.configure(**{**SMALL, "variants": [*SMALL["variants"], variant]})
        return bool(re.search("^ceiling ", copy.snakemake("-n").output, re.MULTILINE))

    assert not ceilings_are_planned("fused")
    assert ceilings_are_planned("bf16")


def test_deleting_a_csv_measures_one_run_again(copy):
    (copy.folder / copy.run_folder("sd-txt2img", 2, "eager", 2) / "run.csv").unlink()
    assert copy.planned() == 1


def test_editing_a_variant_measures_its_cells_again(copy):
    copy.edit("config/variants.yaml", lambda variants: variants["contiguous"].update(memory_format="channels_last"))
    assert copy.planned() == 4


def test_editing_a_label_measures_nothing_again(copy):
    copy.edit("config/variants.yaml", lambda variants: variants["contiguous"].update(label="row | major"))
    assert copy.planned() == 0
    assert "row \\| major" in copy.snakemake().output


def test_a_longer_matrix_and_a_new_limit_keep_what_is_measured(copy):
    copy.configure(batch_sizes=[1, 2, 3], measurement={**SMALL["measurement"], "time_limit_s": 900})
    assert copy.planned() == 4


def test_a_changed_setting_measures_all_again(copy):
    copy.configure(measurement={**QUICK, "max_calls": 3})
    assert copy.planned() == 8


def test_so_far_shows_what_is_there_and_what_is_open(copy):
    copy.configure(batch_sizes=[1, 2, 3])
    output = copy.snakemake("so_far").output
    assert "8 of 12 runs are measured" in output
    table = (copy.folder / "results/small/so_far/tables/CPU-batch-3.md").read_text()
    assert table.count("…") == 2
    assert "…" not in (copy.folder / "results/small/so_far/tables/CPU-batch-1.md").read_text()
    assert (copy.folder / "results/small/so_far/figures/speedup.png").is_file()
    assert (copy.folder / "results/small/so_far/strips/CPU-installed-sd-txt2img-batch-1.png").is_file()


def test_so_far_leaves_out_rows_of_an_older_definition(copy):
    copy.edit("config/variants.yaml", lambda variants: variants["contiguous"].update(memory_format="channels_last"))
    assert "4 of 8 runs are measured" in copy.snakemake("so_far").output


def test_a_damaged_csv_among_the_results_is_named(copy):
    path = copy.run_folder("sd-txt2img", 1, "eager", 1) / "run.csv"
    (copy.folder / path).write_text((copy.folder / path).read_text()[:-40])
    result = copy.snakemake(check=False)
    assert result.returncode != 0
    assert f"error: {path}: empty or cut off in its last line; delete it to measure its run again" in result.output
    assert "Traceback" not in result.output


def test_interrupting_keeps_the_finished_runs(tmp_path):
    project = small(tmp_path / "project")
    process = subprocess.Popen(
        project.command(),
        cwd=project.folder,
        stdout=open(project.folder / "printed", "w", encoding="utf-8"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # a shell that starts the tests in the background has them ignore what Ctrl-C sends
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    results = project.folder / "results"
    while len(list(results.glob("**/measure.log"))) < 2:  # the second run is on
        time.sleep(0.2)
        assert process.poll() is None
    assert len(progress_rows((project.folder / "printed").read_text())) == len(list(results.glob("**/run.csv"))) == 1
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    process.wait(timeout=60)
    finished = len(list(results.glob("**/run.csv")))
    assert 1 <= finished < 8
    assert project.planned() == 8 - finished
    printed = (project.folder / "printed").read_text()
    assert printed.endswith(f"\ninterrupted: {finished} of 8 runs are measured; start again to continue\n")
    assert "Error in rule" not in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: quickstart\ngpus: [auto\n", "not valid JSON or YAML"),
        ("name: a/b\n", "found 'a/b', expected a name of letters"),
        ("batch_sizes: [0]\n", "batch_sizes[0]: found 0, expected an integer of 1 or more"),
        (
            "torch: [2.10]\n",
            "bad.yaml:1: torch[0]: found 2.10, which YAML reads as a number: put what you wrote in quotes",
        ),
        ("rounds: 1\nturbo: yes\n", "error: bad.yaml:2: unknown key turbo"),
        ("batch_sizes: [1]\nrounds: 1\nbatch_sizes: [4]\n", "error: bad.yaml:3: key 'batch_sizes' appears twice"),
        (
            "measurement:\n  calls: 6\n  max_calls: 1.0\n",
            "bad.yaml:3: measurement.max_calls: found 1.0, expected an integer",
        ),
        ("gpus: [no]\n", "bad.yaml:1: gpus[0]: found no, which YAML reads as a boolean: put what you wrote in quotes"),
        ("threads: 010\n", "error: bad.yaml:1: found 010, which YAML reads as 8"),
    ],
)
def test_bad_config_stops_before_anything_is_written(project, text, message):
    (project.folder / "bad.yaml").write_text(text)
    result = project.snakemake("--configfile", "bad.yaml", check=False)
    assert result.returncode != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (project.folder / "results").exists()


def test_a_syntax_error_in_the_config_is_told_with_its_line(project):
    (project.folder / "config/config.yaml").write_text("name: quickstart\ngpus: [auto\npipelines: [if]\n")
    result = project.snakemake(check=False)
    assert result.returncode != 0
    assert "error: config/config.yaml:3: not valid YAML" in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rounds: 1\nname: a\nrounds: 2\n", "error: config/config.yaml:3: key 'rounds' appears twice; keep one"),
        (
            "name: 2026-13-45\n",
            "error: config/config.yaml:1: found 2026-13-45, which YAML reads as a date: put it in quotes",
        ),
    ],
)
def test_the_default_config_is_read_before_snakemake_reads_it(project, text, message):
    (project.folder / "config/config.yaml").write_text(text)
    result = project.snakemake("-n", check=False)
    assert result.returncode != 0 and result.output.endswith(f"{message}\n")


def test_nested_numbers_of_the_command_line_are_numbers(project):
    keys = ["batch_sizes=[1]", "exclude=[]", "measurement={calls: 7, target_percent: 0.5}", "tables={decimals: 3}"]
    assert project.planned("--config", *keys) == 6 * 2 * 3
    wrong = project.snakemake("-n", "--config", "measurement={calls: many}", check=False)
    assert "error: config: measurement.calls: found 'many', expected an integer of 1 or more" in wrong.output


def test_another_working_folder_is_told_how_to_start(project, tmp_path):
    start = [*project.command("-n"), "--snakefile", project.folder / "Snakefile"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    refused = subprocess.run(start, **options)
    hint = f"--directory {project.folder}"
    assert refused.returncode != 0
    assert refused.stderr.endswith(f"no config/config.yaml in the working folder; add `{hint}`\n")
    assert subprocess.run([*start, *hint.split()], **options).returncode == 0


def test_published_matrix_plans_at_full_scale(project):
    assert project.planned("--configfile", "config/full.yaml") == 5 * 6 * 3 * 2 * 2 * 3
    assert project.planned("--configfile", "config/gpu.yaml") == 6 * 3 * 3 * 3
    assert project.planned("ladder", "--configfile", "config/gpu-ladder.yaml") == 2 * 8 * 3
