"""A driver that reports what a test wants of a GPU."""

import os

from diffbench.measurement.gpu_samples import GpuSampler
from diffbench.measurement.monitor import Monitor


class Nvml:
    """A driver that tells of a device with a largest SM clock of 1000 MHz; what it lacks it refuses as NVML does."""

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    class NVMLError(Exception):
        pass

    def __init__(self, **samples):
        self.samples = samples

    def __getattr__(self, name):
        if name not in self.samples:
            raise AttributeError(name)
        values = self.samples[name]

        def read(handle, *arguments):
            value = values.pop(0) if isinstance(values, list) else values
            if value is None:
                raise self.NVMLError("not supported")
            return value

        return read


def watched(seconds=(0, 1, 2, 3), **samples):
    """A Monitor that has sampled such a device at these times."""
    gpu = GpuSampler.__new__(GpuSampler)
    gpu.nvml, gpu.handle, gpu.card, gpu.largest_mhz = Nvml(**samples), None, None, 1000
    monitor = Monitor()
    monitor.gpu = gpu
    for at_s in seconds:
        monitor.sample(os.getpid(), at_s)
    return monitor
