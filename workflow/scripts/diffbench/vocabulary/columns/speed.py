"""The columns of run.csv with the times and rates of the measured calls and of the start."""

from ..units import IMAGES, ITERATIONS
from .column import COUNT, NUMBER, SIGNED, Column, one_of

RATE = (
    Column("calls", COUNT, "the number of measured calls", label="Calls"),
    Column(
        "stopped_by",
        one_of("", "target", "max-calls", "max-seconds"),
        "why there were no more calls: `target`, `max-calls` or `max-seconds`",
        label="Stopped by",
    ),
    Column(
        "half_width_percent",
        NUMBER,
        "half the width of the stopping rule's interval over the median, after the last call. Empty below six calls",
        "%",
    ),
    Column("iterations", COUNT, "iterations of one call"),
    Column("denoiser_calls", COUNT, "denoiser calls of one call"),
    Column(
        "iterations_per_second",
        NUMBER,
        "iterations of a call divided by the time that its denoising loop takes: the median of the measured calls. "
        "Text encoder and VAE are outside the loop",
        ITERATIONS,
        ITERATIONS,
    ),
    Column(
        "denoiser_calls_per_second",
        NUMBER,
        "denoiser calls of a call divided by the time that its denoising loop takes: the median of the measured calls",
        "1/s",
    ),
    Column("images_per_second", NUMBER, "`batch_size` divided by `latency_s`: whole calls", IMAGES),
    Column(
        "latency_s",
        NUMBER,
        "the time of a whole call, text encoder and VAE included: the median of the measured calls",
        "s",
        "Latency",
    ),
    Column(
        "latency_q1_s",
        NUMBER,
        "the first quartile of the latencies of this process. It is not the end of an interval of the median",
        "s",
    ),
    Column("latency_q3_s", NUMBER, "the third quartile of the latencies of this process", "s"),
)
START = (
    Column(
        "load_s",
        NUMBER,
        "the time to make or read the pipeline, to move it to the device and to apply the variant. Importing torch "
        "is not included",
        "s",
    ),
    Column("first_call_s", NUMBER, "the latency of the first call", "s", "First call"),
    Column(
        "compile_s",
        SIGNED,
        "`first_call_s` minus `latency_s`, only of variants that compile. It includes everything that the first "
        "call does once, but not importing the compiler, which comes before. Noise can make it negative",
        "s",
    ),
    Column(
        "startup_s",
        SIGNED,
        "the time of all calls before the measured ones, minus the same number of calls at `latency_s`. Loading is not "
        "included. Noise can make it negative; rows measured before negative values were kept have 0 instead",
        "s",
        "Start-up",
    ),
    Column(
        "cache",
        one_of("", "cold", "warm"),
        "`warm` if every graph was taken from the cell's [compiler cache](#compiler-caches), otherwise `cold`. "
        "Empty if nothing compiles, or if a later round failed too early to know",
        label="Cache",
    ),
    Column(
        "cache_hits",
        COUNT,
        "graphs taken from the compiler cache until the end of the warm-up, as torch counts them. Empty if nothing "
        "compiles or this release of torch does not count them",
    ),
    Column("cache_misses", COUNT, "graphs compiled until the end of the warm-up, counted in the same way"),
    Column("warmup_calls", COUNT, "the number of calls before the measured ones, the first call included"),
    Column(
        "warmup_spread_percent",
        NUMBER,
        "the largest latency of the last 3 of these calls divided by the smallest, minus 1. Empty with fewer calls",
        "%",
    ),
    Column(
        "compile_threads",
        COUNT,
        "the largest number of files that torch's compiler compiles at a time: one per CPU that the process may "
        "use, up to 32. `compile_s` depends on it; the config's `threads` does not change it",
    ),
    Column("graphs", COUNT, "graphs that dynamo compiled until the end of the warm-up", label="Graphs"),
    Column("graph_breaks", COUNT, "graph breaks until the end of the warm-up", label="Graph breaks"),
    Column(
        "recompilations",
        COUNT,
        "graphs compiled during the warm-up, but after the first call of the module that they belong to",
    ),
    Column(
        "start_peak_allocated_mib",
        NUMBER,
        "the peak, from before loading to the end of the warm-up, of the GPU memory that torch's allocator had "
        "handed out",
        "MiB",
        "Allocated by torch on the device, while starting",
    ),
    Column(
        "start_peak_reserved_mib",
        NUMBER,
        "the peak, in the same time, of the GPU memory that torch's allocator held from the driver",
        "MiB",
        "Reserved by torch on the device, while starting",
    ),
    Column(
        "start_peak_process_mib",
        NUMBER,
        "the peak, in the same time, of the GPU memory that the run's processes held together: NVML's figure per "
        "process, read every 0.1 s, CUDA's context and libraries included. Empty where the driver does not report "
        "it, or where a container hides which of several processes is the run's",
        "MiB",
        "Peak memory on the device, while starting",
    ),
    Column(
        "start_peak_rss_mib",
        NUMBER,
        "the peak, in the same time, of the process's resident memory (`VmHWM`). The compiler's worker processes "
        "are not included",
        "MiB",
        "Peak memory of the process, while starting",
    ),
)
