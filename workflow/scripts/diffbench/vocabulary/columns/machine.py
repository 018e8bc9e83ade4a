"""The columns of run.csv with memory, work per step, and what the machine did during the measured calls."""

from .column import COUNT, NUMBER, Column, Type

MEMORY = (
    Column(
        "peak_allocated_mib",
        NUMBER,
        "as `start_peak_allocated_mib`, but during the measured calls",
        "MiB",
        "Allocated by torch on the device, warm",
    ),
    Column(
        "peak_reserved_mib",
        NUMBER,
        "as `start_peak_reserved_mib`, but during the measured calls",
        "MiB",
        "Reserved by torch on the device, warm",
    ),
    Column(
        "peak_process_mib",
        NUMBER,
        "as `start_peak_process_mib`, but during the measured calls",
        "MiB",
        "Peak memory on the device, warm",
    ),
    Column(
        "peak_device_mib",
        NUMBER,
        "the peak of the memory in use on the whole GPU (NVML) during the measured calls, by CUDA itself and by "
        "other processes too",
        "MiB",
    ),
    Column(
        "peak_rss_mib",
        NUMBER,
        "as `start_peak_rss_mib`, but during the measured calls. Memory of an earlier stage is given back before the next "
        "stage loads (glibc's `malloc_trim`). Where the kernel does not let the process reset `VmHWM`, the peak is that "
        "of its whole life",
        "MiB",
        "Peak memory of the process, warm",
    ),
)
WORK = (
    Column(
        "step_gflop",
        NUMBER,
        "floating-point operations of a denoising step: one call of each of the pipeline's `modules` (UNet, "
        "ControlNet), for the whole batch, both halves of classifier-free guidance included. "
        "`torch.utils.flop_counter` counts them on the plain modules, whatever a compiler makes of them: matrix "
        "products, convolutions and attention, a multiplication and an addition as two. They are counted once per "
        "cell while its compiler cache is kept. Empty with torch 2.0, and where weights are quantized",
        "GFLOP",
        "Work of a step",
    ),
    Column(
        "step_mib",
        NUMBER,
        "a lower bound on the memory traffic of such a step: each weight, input and output of the modules once. "
        "Empty with torch 2.0",
        "MiB",
    ),
)
MACHINE = (
    Column(
        "energy_per_image_j",
        NUMBER,
        "the energy that the GPU used from the first to the last measured call, the gaps between them included, "
        "divided by the number of images",
        "J/image",
        "Energy",
    ),
    Column("power_w", NUMBER, "mean power", "W"),
    Column("temperature_c", NUMBER, "highest temperature", "°C"),
    Column("sm_clock_mhz", NUMBER, "median SM clock", "MHz"),
    Column(
        "low_clock_percent",
        NUMBER,
        "the share of the samples with an SM clock below 75% of the device's maximum",
        "%",
    ),
    Column(
        "clock_limits",
        Type("^[a-z, ]*$"),
        "what limited the clock in any sample: `power cap`, `hardware slowdown`, `software thermal slowdown`, "
        "`hardware thermal slowdown`, `hardware power brake`",
    ),
    Column("device_processes", COUNT, "the largest number of processes on the GPU that do not belong to this run"),
    Column(
        "other_cpu_percent",
        NUMBER,
        "the share of the whole machine's CPU time that was neither idle nor used by the processes of this run (a "
        "compiler's workers included): other processes, the kernel's own, time that a hypervisor took",
        "%",
    ),
    Column(
        "host_busy_cores",
        NUMBER,
        "the mean number of the machine's logical CPUs that were busy, also with this run's processes",
        "cores",
    ),
    Column(
        "cpu_clock_mhz",
        NUMBER,
        "the median of the samples of the CPU's clock, each the mean over up to 8 of the CPUs that the run may "
        "use. Empty where the machine does not report it; a virtual machine may report a constant",
        "MHz",
    ),
    Column("cpu_clock_lowest_mhz", NUMBER, "the lowest of the same samples", "MHz"),
)
