"""The matrix on a real Slurm with three GPU types: what each job is given, and what becomes of the rest when some fail."""

import os
import signal
import time

import pytest
from cluster import Cluster, reason_not_to, wait_for
from slurm_project import ClusterProject

from running import rows_of

pytestmark = pytest.mark.slow

DEVICES = {"A100": "NVIDIA A100-SXM4-40GB", "T4": "Tesla T4", "V100": "Tesla V100-SXM2-16GB"}
WAIT_S = 600  # other tests run beside


@pytest.fixture(scope="module")
def cluster():
    """A running Slurm."""
    reason = reason_not_to()
    if reason:
        pytest.skip(f"no Slurm to test with: {reason}")
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def measured(cluster, tmp_path_factory):
    """A project after a whole run; its A100 is one that a site grants by gres."""
    project = ClusterProject(tmp_path_factory.mktemp("matrix") / "project", name="matrix")
    project.edit("config/gpus.yaml", lambda gpus: gpus["A100"].update(slurm={"gres": "gpu:a100:1"}))
    before = cluster.job_ids()
    project.output = project.snakemake().output
    project.jobs = cluster.jobs(after=before)
    return project


def jobs_of(jobs, gpu):
    return [job for job in jobs if f"_{gpu}_" in job["Comment"]]


def test_every_job_is_given_the_gpu_type_of_its_cell(measured):
    assert len(measured.jobs) == 3 + 3, "runs and ceilings, nothing else"
    for gpu in DEVICES:
        jobs = jobs_of(measured.jobs, gpu)
        assert [job["JOB_GRES"] for job in jobs] == [f"gpu:{gpu.lower()}:1"] * 2
        assert {(job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"]) for job in jobs} == {
            ("2", "3000M", "00:15:00")
        }


def test_the_rows_come_back_with_the_device_that_measured(measured):
    rows = rows_of(measured.folder / "results/matrix", "measurements.csv")
    assert {row["gpu"]: row["device_name"] for row in rows} == DEVICES
    assert {row["status"] for row in rows} == {"ok"}
    assert "### V100 (batch size: 1)" in measured.output


def test_each_job_keeps_its_log(measured):
    assert len(list(measured.folder.glob(".snakemake/slurm_logs/rule_measure/*/*.log"))) == 3
    logs = list(measured.folder.glob("results/matrix/runs/**/measure.log"))
    assert len(logs) == 3 and all("it/s" in log.read_text(encoding="utf-8") for log in logs)


def test_a_run_on_another_device_than_it_names_is_refused(cluster, tmp_path):
    """One GPU is asked for by the name of another; one has too little memory for any run."""
    project = ClusterProject(tmp_path / "project", name="refused", gpus=["T4", "V100"])

    def mislead(gpus):
        gpus["T4"]["slurm"] = {"gpu_model": "a100"}
        gpus["V100"]["job"]["memory_mib"] = 1300

    project.edit("config/gpus.yaml", mislead)
    result = project.measure("--retries", 0, check=False)
    assert result.returncode != 0
    found = "error: the run is for gpu T4, but this device is 'NVIDIA A100-SXM4-40GB'; run it where a T4 is"
    (reported,) = {line for line in result.output.splitlines() if found in line}  # when it happens, and last
    assert reported.startswith(found)
    assert "gpu~T4/torch~installed/pipeline~sd-txt2img/batch_size~1/variant~eager/round~1/measure.log)" in reported
    assert project.runs() == {("V100", "1", "1")}, "no row for a device that is not the one named"
    (row,) = rows_of(next(project.folder.glob("results/refused/runs/gpu~V100/**/run.csv")).parent)
    assert row["status"] == "oom"
    assert row["detail"].startswith(
        "stopped above the memory limit of 300 MiB of host memory, which the job's allocation leaves"
    )


def test_a_card_of_a_family_is_asked_for_by_a_feature_of_its_node(cluster, tmp_path):
    project = ClusterProject(tmp_path / "project", name="features", gpus=["A100-40GB-SXM", "A100-80GB-SXM"])
    before = cluster.job_ids()
    result = project.measure("--retries", 0, check=False)
    (job,) = cluster.jobs(after=before)
    assert (job["JOB_GRES"], job["Features"]) == ("gpu:a100:1", "a100_sxm_40gb")
    assert project.runs() == {("A100-40GB-SXM", "1", "1")}
    assert result.returncode != 0 and "sbatch: error" in result.output, "the cluster has no such feature"


def test_rounds_of_a_cell_can_share_one_allocation(cluster, tmp_path):
    project = ClusterProject(tmp_path / "project", name="grouped", gpus=["V100"], rounds=2)
    project.switch_on("groups", "group-components", "set-resource-scopes", "resources")
    before = cluster.job_ids()
    project.measure()
    (job,) = cluster.jobs(after=before)
    assert (job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"]) == ("2", "3000M", "00:30:00"), "one after the other"
    assert project.runs() == {("V100", "1", "1"), ("V100", "1", "2")}


def test_what_fails_leaves_the_rest_and_a_second_start_completes_it(cluster, tmp_path):
    """A cancelled job, a dead node, a job out of time and a controller that is away, all in one matrix."""
    project = ClusterProject(
        tmp_path / "project", name="failures", batch_sizes=[1, 2], exclude=[{"gpu": "T4", "batch_size": 1}]
    )
    project.edit("config/gpus.yaml", lambda gpus: gpus["T4"]["job"].update(minutes=1))
    # the T4's run takes longer than its job, and its parent cannot tell
    (project.folder / "hang").write_text("--gpu=T4")
    before = cluster.job_ids()

    def new_jobs(gpu, batch_size, state):
        mark = f"rule_measure_wildcards_{gpu}_installed_sd-txt2img_{batch_size}_"
        return [job for job in cluster.jobs(state, after=before) if mark in job["Comment"]]

    def nothing_changes():
        """Whether the T4's run is on or out of time, and no job starts its program or ends, for which it asks the controller."""
        running = [job for job in cluster.jobs("RUNNING", after=before) if job["NodeList"] != "node-v"]
        begun = all((project.folder / f"begun-{job['JobId']}").exists() for job in running)
        ended = not any("_A100_" in job["Comment"] for job in [*running, *cluster.jobs("PENDING", after=before)])
        return begun and ended and any(job["JobState"] != "PENDING" for job in new_jobs("T4", 2, None))

    process = project.start("--retries", 0)
    try:
        wait_for(lambda: new_jobs("A100", 2, "RUNNING"), "the A100's second run", WAIT_S)
        cluster.scancel(new_jobs("A100", 2, "RUNNING"))
        wait_for(lambda: new_jobs("V100", 2, "RUNNING"), "the V100's second run", WAIT_S)
        cluster.kill_node("node-v")
        wait_for(lambda: "'CANCELLED'" in (project.folder / "snakemake.log").read_text(), "Snakemake to see it", WAIT_S)
        wait_for(nothing_changes, "the A100's jobs to end and the T4's run to begin", WAIT_S)
        time.sleep(10)  # the controller saves its state some seconds late, and would start again what it does not know
        cluster.kill("slurmctld")
        time.sleep(20)  # Snakemake asks meanwhile, and gets no answer
        cluster.start_controller()
        wait_for(lambda: new_jobs("T4", 2, "TIMEOUT"), "the T4's run to be out of time", WAIT_S)
        wait_for(lambda: ("A100", "1") in project.finished(), "the A100's first run", WAIT_S)
        assert process.poll() is None, "Snakemake waits for the node"
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.wait(timeout=WAIT_S)
    finished = project.runs()
    assert ("A100", "1", "1") in finished
    assert not finished & {("A100", "2", "1"), ("T4", "2", "1"), ("V100", "2", "1")}
    assert project.planned() == 5 - len(finished)
    output = project.snakemake("so_far").output
    assert f"{len(finished)} of 5 runs are measured" in output
    assert "…" in output.split("### A100 (batch size: 2)")[1].split("###")[0]
    cluster.start_node("node-v")
    (project.folder / "hang").unlink()
    project.edit("config/gpus.yaml", lambda gpus: gpus["T4"]["job"].update(minutes=15))
    times = {path: path.stat().st_mtime_ns for path in project.folder.glob("results/**/run.csv")}
    project.snakemake()
    assert len(project.runs()) == 5
    assert all(path.stat().st_mtime_ns == time for path, time in times.items()), "what was measured is kept"


@pytest.mark.parametrize(
    ("config", "arguments", "message"),
    [
        ({}, ["--slurm-array-jobs", "measure"], "error: slurm-array-jobs: found 'measure', expected none"),
        ({"gpus": ["auto"]}, [], "error: config: gpus: auto is the device of the machine that submits"),
        (
            {"gpus": ["RTX-4090-Laptop"]},
            [],
            "error: config/gpus.yaml: RTX-4090-Laptop does not say what to ask Slurm for",
        ),
    ],
)
def test_what_a_cluster_cannot_measure_is_refused_before_anything_is_submitted(
    cluster, tmp_path, config, arguments, message
):
    project = ClusterProject(tmp_path / "project", **config)
    before = cluster.job_ids()
    result = project.snakemake(*arguments, check=False)
    assert result.returncode != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert not cluster.jobs(after=before)
