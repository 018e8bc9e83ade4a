"""The columns of calls.csv, fidelity.csv, the ceilings and minutes.csv that run.csv does not have in the same sense."""

from .column import COUNT, INTEGER, NUMBER, SIGNED, TEXT, Column, one_of

CALL = (
    Column(
        "kind",
        one_of("first", "warmup", "call"),
        "`first`, `warmup`, or `call` for a measured call",
    ),
    Column(
        "call",
        INTEGER,
        "the number of the call, from 1. The first call and the warm-up are counted together, the measured calls "
        "separately",
    ),
    Column("latency_s", NUMBER, "the time of the whole call", "s"),
    Column("loop_s", NUMBER, "the time of its denoising loop", "s"),
    Column("iterations", COUNT, "its iterations"),
    Column("denoiser_calls", COUNT, "its denoiser calls"),
)
FIDELITY_ROUND = (Column("baseline_round", INTEGER, "the round of the baseline that the image is compared with"),)
FIDELITY_MEASURES = (
    Column(
        "psnr_db",
        NUMBER,
        "the peak signal-to-noise ratio of the two 8-bit images; `inf` for equal images. 40 dB is a root mean "
        "square error of 2.6 of 255 levels, 30 dB of 8.1",
        "dB",
    ),
    Column(
        "ssim",
        SIGNED,
        "structural similarity (Wang et al. 2004) as in scikit-image, with a uniform window of 7 x 7 pixels, less "
        "in smaller images; 1 for equal images",
    ),
    Column("latents_difference", NUMBER, "the largest absolute difference of the final latents (float32)"),
    Column(
        "latents_scale",
        NUMBER,
        "the largest absolute value of the baseline's latents, to compare `latents_difference` with",
    ),
)
FIDELITY_NOTES = (
    Column("identical", one_of("True", "False"), "whether image and latents are the same bit for bit"),
    Column("note", TEXT, "why something could not be compared: no image, no latents, another size, other weights"),
)
CEILING = (
    Column(
        "matmul_tflops",
        NUMBER,
        "the rate of a product of two square random matrices in `dtype`: the best of sizes 8192 and 16384 on a "
        "GPU, 1024 to 8192 on a CPU (a size that would take over a second is left out), for each size the median "
        "of at least 3 products and 1 s. Empty if the device cannot do it",
        "TFLOP/s",
    ),
    Column(
        "copy_gib_per_second",
        NUMBER,
        "the rate of a copy of 2 GiB (512 MiB on a CPU) within the device's memory; bytes read and bytes written "
        "both count, as in STREAM",
        "GiB/s",
    ),
)
WALL = (Column("wall_s", NUMBER, "the time of the whole run", "s"),)
PHASE = (
    Column("start_s", NUMBER, "starting the process", "s", "start"),
    Column("import_s", NUMBER, "importing torch and Diffusers", "s", "import"),
    Column("load_s", NUMBER, "loading the pipeline", "s", "load"),
    Column(
        "compile_s",
        NUMBER,
        "how much longer the first calls of the stages took than later ones, whether or not anything compiled",
        "s",
        "compile",
    ),
    Column("calls_s", NUMBER, "the number of calls times the time of a later call", "s", "calls"),
    Column("evidence_s", NUMBER, "the checks of the evidence", "s", "evidence"),
    Column("end_s", NUMBER, "what is left until the process has ended", "s", "end"),
)
