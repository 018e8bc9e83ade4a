"""How many CPU threads a run has: a fact of the config and the machine, not of `--cores`."""

import os

import pytest

from diffbench.system import threads
from diffbench.system.threads import check_threads, count_cores, cpu_quota, default_threads, usable_cpus
from diffbench.vocabulary.errors import SetupError
from running import measure


def machine(folder, siblings):
    """A machine whose logical CPUs share cores as said: the text of thread_siblings_list of each."""
    for cpu, text in enumerate(siblings):
        path = folder / f"cpu{cpu}" / "topology"
        path.mkdir(parents=True)
        (path / "thread_siblings_list").write_text(text + "\n")
    return folder


def test_hyperthreads_of_a_core_count_once(tmp_path):
    folder = machine(tmp_path, ["0,4", "1,5", "2,6", "3,7"] * 2)
    assert count_cores(range(8), folder) == 4
    assert count_cores([0, 4, 5], folder) == 2, "of those that this process may use"
    assert count_cores([8, 9], folder) == 2, "where the kernel does not say, each is a core"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/job/step\n", {"job/step/cpu.max": "max 100000", "job/cpu.max": "250000 100000"}, 2.5),
        ("0::/job/step\n", {"job/step/cpu.max": "100000 100000", "job/cpu.max": "250000 100000"}, 1.0),
        ("0::/\n", {"cpu.max": "150000 50000"}, 3.0),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/gone\n", {}, None),
        (
            "4:cpu,cpuacct:/job\n1:cpuset:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"},
            4.0,
        ),
        (
            "4:cpu,cpuacct:/job\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "200000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            2.0,
        ),
        (
            "5:memory:/big\n4:cpu:/a:b\n0::/job\n",
            {
                "cpu/big/cpu.cfs_quota_us": "100000",
                "cpu/big/cpu.cfs_period_us": "100000",
                "cpu/a:b/cpu.cfs_quota_us": "300000",
                "cpu/a:b/cpu.cfs_period_us": "100000",
                "job/cpu.max": "400000 100000",
            },
            3.0,  # the smaller of the two limits that apply
        ),
        ("4:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "0", "cpu/job/cpu.cfs_period_us": "100000"}, None),
        ("4:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, None),
        ("", {}, None),
    ],
)
def test_a_control_group_may_grant_less(tmp_path, membership, files, quota):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cpu_quota(membership, tmp_path) == quota


def test_the_default_follows_the_affinity_and_not_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    assert 1 <= default_threads() <= len(usable_cpus())
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert default_threads() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("cores", "quota", "count"), [(8, None, 8), (8, 2.5, 2), (8, 3.0, 3), (2, 2.5, 2), (8, 0.5, 1), (1, 64.0, 1)]
)
def test_the_default_is_the_cores_or_whole_cpus_of_a_quota_and_at_least_one(monkeypatch, cores, quota, count):
    monkeypatch.setattr(threads, "usable_cpus", lambda: list(range(2 * cores)))
    monkeypatch.setattr(threads, "count_cores", lambda cpus: len(cpus) // 2)
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    assert default_threads() == count


def test_without_affinities_all_cpus_are_usable(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    for found, cpus in ((3, [0, 1, 2]), (None, [0])):
        monkeypatch.setattr(os, "cpu_count", lambda found=found: found)
        assert usable_cpus() == cpus


def test_a_machine_without_control_groups_has_no_quota(monkeypatch):
    def fail(path, encoding):
        raise FileNotFoundError(path)

    monkeypatch.setattr(threads.Path, "read_text", fail)
    assert cpu_quota() is None


def test_as_many_threads_as_cpus_are_allowed_and_one_more_is_not(monkeypatch):
    monkeypatch.setattr(threads, "usable_cpus", lambda: [3, 5])
    check_threads(2, "threads")
    with pytest.raises(
        SetupError, match=r"^threads: found 3, but this process may use 2 CPU\(s\); lower it, or leave it out$"
    ):
        check_threads(3, "threads")


def test_more_threads_than_cpus_are_refused_before_anything_is_measured(tmp_path):
    check_threads(len(usable_cpus()), "threads")
    with pytest.raises(SetupError, match="config: threads: found 4096, but this process may use"):
        check_threads(4096, "config: threads")
    result = measure(tmp_path, "--threads", 4096)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and "error: threads: found 4096" in result.stderr
