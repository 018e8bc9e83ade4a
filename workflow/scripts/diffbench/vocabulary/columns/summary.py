"""The columns of summary.csv, one row per cell and stage, that run.csv, fidelity.csv and ceilings do not have."""

from ..units import IMAGES, ITERATIONS
from .column import COUNT, NUMBER, SIGNED, TEXT, Column, one_of

RATE = (
    Column("iterations_per_second_min", NUMBER, "the slowest round", ITERATIONS),
    Column("iterations_per_second_max", NUMBER, "the fastest round", ITERATIONS),
    Column(
        "iterations_per_second_low",
        NUMBER,
        "the lower end of the 95% interval of `iterations_per_second`, see [Intervals](#intervals)",
        ITERATIONS,
    ),
    Column("iterations_per_second_high", NUMBER, "the upper end of the same interval", ITERATIONS),
)
ROUNDS = (Column("rounds", COUNT, "the number of rounds that have a rate"),)
SPEEDUP = (
    Column("speedup", NUMBER, "the cell's rate divided by its baseline's; 1 for the baseline itself"),
    Column(
        "speedup_unit",
        one_of("", ITERATIONS, IMAGES),
        "the rate that `speedup` compares: `it/s` (`iterations_per_second`), or `images/s` (`images_per_second`) "
        "if the cell and its baseline differ in `iterations`, because an iteration is then not the same work "
        "(`lcm-4`, `dpm-20`). Empty without a speed-up",
    ),
    Column("speedup_low", NUMBER, "the lower end of the 95% interval of `speedup`; empty for the baseline"),
    Column("speedup_high", NUMBER, "the upper end of the same interval"),
    Column("verdict", TEXT, "whether the cell is faster or slower than its baseline, see [Verdicts](#verdicts)"),
    Column(
        "compared_by",
        one_of("", "paired", "welch"),
        "how the interval of `speedup` was made: `paired` or `welch`, see [Intervals](#intervals). Empty without one",
    ),
    Column(
        "rounds_needed",
        NUMBER,
        "the number of rounds of each cell that would settle an unclear speed-up, `inf` if more than 200. Empty "
        "unless `verdict` is `unclear`",
    ),
)
START = (
    Column(
        "first_call_cold_s",
        NUMBER,
        "the median of `first_call_s` over the rounds that started with a cold cache. Variants that compile nothing have "
        "the same value cold and warm",
        "s",
        "First call, cold",
    ),
    Column(
        "first_call_warm_s",
        NUMBER,
        "the median of `first_call_s` over the rounds that started with a warm cache",
        "s",
        "First call, warm",
    ),
    Column("compile_cold_s", SIGNED, "the median of `compile_s` over the rounds that started cold", "s"),
    Column("compile_warm_s", SIGNED, "the median of `compile_s` over the rounds that started warm", "s"),
    Column(
        "startup_cold_s", SIGNED, "the median of `startup_s` over the rounds that started cold", "s", "Start-up, cold"
    ),
    Column(
        "startup_warm_s", SIGNED, "the median of `startup_s` over the rounds that started warm", "s", "Start-up, warm"
    ),
)
BREAKEVEN = (
    Column(
        "breakeven_cold_images",
        NUMBER,
        "the number of images after which the variant is ahead of the baseline, from a cold cache: 0 if at once, "
        "`inf` if never, see [Break-even](#break-even)",
        "images",
        "Break-even, cold",
    ),
    Column("breakeven_cold_images_low", NUMBER, "the lower end of its 95% interval", "images"),
    Column("breakeven_cold_images_high", NUMBER, "the upper end of the same interval", "images"),
    Column(
        "breakeven_warm_images",
        NUMBER,
        "as `breakeven_cold_images`, but from a warm cache",
        "images",
        "Break-even, warm",
    ),
    Column("breakeven_warm_images_low", NUMBER, "the lower end of its 95% interval", "images"),
    Column("breakeven_warm_images_high", NUMBER, "the upper end of the same interval", "images"),
)
IMAGE = (
    Column("fidelity", TEXT, "the badge of the cell's images, see [Fidelity](#fidelity)", label="Badge"),
    Column("psnr_db", NUMBER, "the PSNR of the worst round, see [Fidelity](#fidelity)", "dB", "PSNR"),
    Column("ssim", SIGNED, "the SSIM of the worst round", label="SSIM"),
    Column(
        "latents_difference",
        NUMBER,
        "the largest difference of the final latents in the worst round",
        label="Largest difference of latents",
    ),
    Column(
        "noise_floor_db",
        NUMBER,
        "the smallest PSNR of the baseline's later rounds, each compared with its first. Empty with one round",
        "dB",
        "Between the baseline's rounds: PSNR",
    ),
)
CEILING = (
    Column("achieved_tflops", NUMBER, "`step_gflop` times `denoiser_calls_per_second`", "TFLOP/s"),
    Column(
        "matmul_tflops", NUMBER, "the ceiling of the device with this torch build, see [Ceiling](#ceiling)", "TFLOP/s"
    ),
    Column("copy_gib_per_second", NUMBER, "the copy bandwidth of the device, the other ceiling", "GiB/s"),
    Column(
        "ceiling_percent",
        NUMBER,
        "the shortest time that the ceilings allow for a step, as a percentage of the time that it took, see [Ceiling](#ceiling)",
        "%",
        "Share of the device's ceiling",
    ),
    Column(
        "bound",
        one_of("", "compute", "memory"),
        "which ceiling limits the cell: `compute` or `memory`",
        label="Bound by",
    ),
)
PRICE = (
    Column(
        "price_per_1000_images_usd",
        NUMBER,
        "the price of 1000 images at `images_per_second` and the `price_per_hour_usd` that you give the GPU in "
        "`config/gpus.yaml`. Start-up is not included",
        "USD/1000 images",
        "Price",
    ),
)
REMARKS = (
    Column("flags", TEXT, "what looks wrong, with the rounds that it concerns, see [Flags](#flags)", label="Flags"),
    Column(
        "differences",
        TEXT,
        "known differences between the cell and its baseline besides those that are compared, the cell's value "
        "first (`driver 535.1 and 550.2; CPU threads 2 and 4`): device, host CPU and cores, driver, CUDA, CPU "
        "threads, weights, libraries, environment variables. CUDA and libraries belong to a torch build, so they "
        "count only within one. An unknown value is not a difference",
    ),
)
ORIGIN = (
    Column("measured_on", TEXT, "the dates of the rounds"),
    Column("text", TEXT, "only in a published dataset: the number as the page prints it"),
    Column(
        "mark", TEXT, "only in a published dataset: the mark that the page prints at the row, such as `*`", label="Mark"
    ),
)
