"""The columns of the CSVs that measuring writes and reporting reads."""

CELL = ["gpu", "torch", "pipeline", "batch_size", "size", "variant"]
IDENTITY = ["gpu", "torch", "pipeline", "stage", "batch_size", "size", "variant", "round"]
OUTCOME = ["status", "phase", "detail", "definition"]
RATE = [
    "calls",
    "stopped_by",
    "half_width_percent",
    "iterations",
    "denoiser_calls",
    "iterations_per_second",
    "denoiser_calls_per_second",
    "images_per_second",
    "latency_s",
    "latency_q1_s",
    "latency_q3_s",
]
START = [
    "load_s",
    "first_call_s",
    "compile_s",
    "startup_s",
    "cache",
    "cache_hits",
    "cache_misses",
    "warmup_calls",
    "warmup_spread_percent",
    "compile_threads",
    "graphs",
    "graph_breaks",
    "recompilations",
    "start_peak_allocated_mib",
    "start_peak_reserved_mib",
    "start_peak_process_mib",
    "start_peak_rss_mib",
]
MEMORY = ["peak_allocated_mib", "peak_reserved_mib", "peak_process_mib", "peak_device_mib", "peak_rss_mib"]
WORK = ["step_gflop", "step_mib"]
EVIDENCE = ["evidence", "unverified", "attention_kernels"]
MACHINE = [
    "energy_per_image_j",
    "power_w",
    "temperature_c",
    "sm_clock_mhz",
    "low_clock_percent",
    "clock_limits",
    "device_processes",
    "other_cpu_percent",
    "host_busy_cores",
    "cpu_clock_mhz",
    "cpu_clock_lowest_mhz",
]
PROVENANCE = [
    "host_cpu",
    "host_cores",
    "device_name",
    "device_id",
    "device_memory_mib",
    "device_capability",
    "driver_version",
    "cuda_version",
    "cudnn_version",
    "torch_version",
    "triton_version",
    "diffusers_version",
    "transformers_version",
    "accelerate_version",
    "python_version",
    "compiler_version",
    "libraries",
    "environment_variables",
    "environment_padding_bytes",
    "start_method",
    "threads",
    "dtype",
    "scale",
    "weights",
    "weights_digest",
    "revision",
    "steps",
    "started_at",
    "code_revision",
]
COLUMNS = IDENTITY + OUTCOME + RATE + START + MEMORY + WORK + EVIDENCE + MACHINE + PROVENANCE
CEILING_COLUMNS = [
    "gpu",
    "torch",
    "dtype",
    "matmul_tflops",
    "copy_gib_per_second",
    "device_name",
    "torch_version",
    "cuda_version",
    "threads",
    "started_at",
]
CALL_COLUMNS = IDENTITY + ["definition", "kind", "call", "latency_s", "loop_s", "iterations", "denoiser_calls"]
PHASES = ["start", "import", "load", "compile", "calls", "evidence", "end"]  # of a run's time in a session on a GPU
MINUTE_COLUMNS = [*CELL, "round", "definition", "started_at", "wall_s", *(f"{phase}_s" for phase in PHASES)]
