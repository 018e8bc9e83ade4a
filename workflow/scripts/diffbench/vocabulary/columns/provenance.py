"""The columns of run.csv about the machine and the software of a measurement."""

from .column import COUNT, NUMBER, RELEASE, TEXT, TIME, Column, Type, one_of

PROVENANCE = (
    Column("host_cpu", TEXT, "the name of the machine's processor"),
    Column(
        "host_cores",
        COUNT,
        "the number of logical CPUs that the run may use: its affinity; a limit of CPU time is not counted",
    ),
    Column("device_name", TEXT, "the device's own name"),
    Column(
        "device_id",
        Type("^([0-9a-f]{8})?$"),
        "eight hexadecimal digits that distinguish devices without naming them: of a hash of the GPU's UUID, or of "
        "the machine's name",
    ),
    Column("device_memory_mib", NUMBER, "the memory of the GPU", "MiB"),
    Column("device_capability", RELEASE, "the compute capability of the GPU"),
    Column("driver_version", TEXT, "the release of the GPU's driver"),
    Column("cuda_version", RELEASE, "the CUDA release that torch is built for, also on a CPU"),
    Column("cudnn_version", TEXT, "the release of cuDNN, on a GPU"),
    Column(
        "torch_version", TEXT, "the release of torch; this and the following ones are read in the process that measured"
    ),
    Column("triton_version", TEXT, "the release of Triton"),
    Column("diffusers_version", TEXT, "the release of Diffusers"),
    Column("transformers_version", TEXT, "the release of transformers"),
    Column("accelerate_version", TEXT, "the release of Accelerate"),
    Column("python_version", TEXT, "the release of Python"),
    Column(
        "compiler_version",
        TEXT,
        "for a variant that compiles: the first line of `--version` of the C++ compiler that torch uses (`$CXX`, "
        "otherwise `g++`, on macOS `clang++`). Rounds with different compilers are not pooled. A wrapper that adds "
        "options to the compiler's command is not noticed",
    ),
    Column(
        "libraries",
        TEXT,
        "versions of the libraries that mechanisms use, if installed: bitsandbytes, flash-attn, flash-attn-3, "
        "kernels, peft, sageattention, torchao, xformers; `none` if none is",
    ),
    Column(
        "environment_variables",
        TEXT,
        "`NAME=value` of the variables in the measuring process that can change its numbers, such as "
        "`OMP_NUM_THREADS`, including those that diffbench sets. Values are cut at 200 characters, names of places "
        "and secrets are left out, and of `LD_PRELOAD` only file names are kept",
    ),
    Column(
        "environment_padding_bytes",
        COUNT,
        "the length, 0 to 4095, of a variable in the measuring process's environment, chosen at random for each "
        "new process; a forked run has that of the process it is forked from. It moves the stack, whose address "
        "can favour one variant by chance (Mytkowicz et al. 2009)",
        "bytes",
    ),
    Column(
        "start_method",
        one_of("", "spawn", "forkserver"),
        "`forkserver` or `spawn`, see [How a run starts](#how-a-run-starts)",
    ),
    Column(
        "threads",
        Type("^([0-9]+)?$"),  # it is printed, never computed with
        "the number of torch's CPU threads, the config's `threads`",
    ),
    Column(
        "dtype",
        TEXT,
        "the data type of the weights: the variant's if it sets one; otherwise the pipeline's own on a GPU "
        "(float16 unless its entry says otherwise) and float32 on a CPU. `tf32` means float32 weights that are "
        "multiplied in TF32",
    ),
    Column("scale", one_of("", "tiny", "full"), "`tiny` (miniature) or `full` architectures"),
    Column("weights", one_of("", "random", "pretrained"), "`random` or `pretrained`"),
    Column(
        "weights_digest",
        Type("^([0-9a-f]{12})?$"),
        "12 hexadecimal digits of a hash of the weights of denoiser, VAE and text encoders, before any mechanism "
        "changes them and before they are rounded to a dtype ([Weights](#weights)). Two images are compared only "
        "if it is the same for both",
    ),
    Column(
        "revision",
        TEXT,
        "the pinned commit of the files that come from the Hub: pretrained weights, or the configuration files for "
        "random weights of a pipeline without an architecture here",
    ),
    Column("steps", COUNT, "the inference steps asked for; with a strength below 1 the pipeline runs fewer"),
    Column("started_at", TIME, "the time (UTC) once torch was imported", label="Started"),
    Column(
        "code_revision",
        TEXT,
        "the commit of diffbench, with `-dirty` if files differ from it. Empty where diffbench is not a Git checkout",
    ),
)
