"""When a stage resets its peaks, reads them and opens its window; and the peaks of device and process in MiB."""

import mmap
import os

import psutil
import pytest
import torch

from diffbench.measurement import measure_stage, memory
from stages import Report, run_stages


class Order(Report):
    """Keeps what happens, in order, and which values came with it."""

    def __init__(self):
        super().__init__()
        self.order = []

    def phase(self, name):
        super().phase(name)
        self.order.append(name)

    def emit(self, event, **content):
        if event == "window":
            self.order.append(content["edge"])


def test_peaks_are_reset_before_loading_and_before_the_window_and_read_after_it(tmp_path, monkeypatch):
    report, peaks = Order(), iter([{"peak_rss_mib": 900.0}, {"peak_rss_mib": 300.0}])
    monkeypatch.setattr(measure_stage, "reset_peaks", lambda device: report.order.append("reset"))
    monkeypatch.setattr(measure_stage, "peaks_mib", lambda device: report.order.append("peaks") or next(peaks))
    (outcome,) = run_stages(tmp_path, report=report, batch_size=2, steps=2)
    assert outcome.status == "ok", outcome
    start, calls = ["reset", "load", "first-call", "warmup", "peaks"], ["reset", "start", "call-1", "end", "peaks"]
    assert report.order == [*start, *calls, "evidence"]
    columns = outcome.columns
    assert (columns["start_peak_rss_mib"], columns["peak_rss_mib"]) == (900.0, 300.0)
    assert columns["images_per_second"] == pytest.approx(2 / columns["latency_s"])


@pytest.fixture
def gpu(monkeypatch):
    """Stands in for a GPU whose peaks are these since they were last reset; keeps who was reset."""
    resets = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", resets.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", {torch.device("cuda", 0): 3 * 2**20}.get)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", {torch.device("cuda", 0): 5 * 2**20}.get)
    return resets


def test_a_gpus_peaks_are_those_of_torch_in_mib(gpu):
    device = torch.device("cuda", 0)
    memory.reset_peaks(device)
    assert gpu == [device]
    peaks = memory.peaks_mib(device)
    assert (peaks["peak_allocated_mib"], peaks["peak_reserved_mib"]) == (3.0, 5.0)


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the kernel does not reset the peak here")
def test_the_peak_of_resident_memory_is_the_kernels_since_the_last_reset_in_mib():
    def peak_mib():
        return memory.peaks_mib(torch.device("cpu"))["peak_rss_mib"]

    memory.reset_peaks(torch.device("cpu"))
    before = psutil.Process().memory_info().rss / memory.MIB
    assert peak_mib() == pytest.approx(before, abs=8)
    with mmap.mmap(-1, 64 * memory.MIB) as block:  # which no allocator keeps
        for place in range(0, len(block), mmap.PAGESIZE):
            block[place] = 1
    assert peak_mib() > before + 56, "also of memory that is free again"
    memory.reset_peaks(torch.device("cpu"))
    assert peak_mib() < before + 8


def test_a_cpu_has_no_such_peaks(gpu):
    memory.reset_peaks(torch.device("cpu"))
    assert gpu == []
    assert not {"peak_allocated_mib", "peak_reserved_mib"} & set(memory.peaks_mib(torch.device("cpu")))
