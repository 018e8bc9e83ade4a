"""The columns of run.csv that name a round's stage, say how it ended, and show that its mechanisms took effect."""

from ..sizes import DIMENSIONS, NATIVE
from ..statuses import MEASURED
from .column import INTEGER, NAME, TEXT, Column, Type, one_of

IDENTITY = (
    Column("gpu", NAME, "the name of the device in `config/gpus.yaml`, or one made from the device's own name"),
    Column("torch", NAME, "the name of the torch build (`envs/torch-<name>.yaml`), or `installed`"),
    Column("pipeline", NAME, "the name of the pipeline in `config/pipelines.yaml`"),
    Column("stage", INTEGER, "the number of the stage, from 1"),
    Column(
        "batch_size",
        INTEGER,
        "images per prompt. At batch sizes above 1, stages with `batched: false` (IF's second and third) are left out",
    ),
    Column(
        "size",
        Type(f"^({NATIVE}|{DIMENSIONS})$"),
        "`native`, or height x width (x frames) in pixels. The native size of a pipeline is in the catalogue's call, or "
        "else the denoiser's sample size, see "
        "[Sizes](../config/README.md#sizes)",
    ),
    Column("variant", NAME, "the name of the variant in `config/variants.yaml`"),
    Column("round", INTEGER, "the number of the round, from 1", label="Round"),
)
OUTCOME = (
    Column("status", one_of(*MEASURED), "how the stage ended, see [Statuses](#statuses)", label="Status"),
    Column(
        "phase",
        Type("^(load|first-call|warmup|call-[1-9][0-9]*|evidence)?$"),
        "where a stage that is not `ok` ended: `load`, `first-call`, `warmup`, `call-<n>`, `evidence`. Empty if it "
        "is `ok`",
    ),
    Column("detail", TEXT, "the reason in one line", label="Reason"),
    Column(
        "definition",
        Type("^[0-9a-f]{12}$"),
        "a hash of everything that decides what is measured: stages, call, architecture, variant, batch size, a "
        "size that is not native, the rule that ends the calls. Rows with different hashes are never pooled. "
        "Labels, time limits and memory limits are not part of it",
    ),
)
EVIDENCE = (
    Column("evidence", TEXT, "what shows that each mechanism of the variant took effect, see [Evidence](#evidence)"),
    Column(
        "unverified",
        TEXT,
        "the mechanisms whose check could not run, each with the reason, such as `vae: OutOfMemoryError: CUDA out "
        "of memory`. Empty if every check ran. Tables and the page mark such a number with `not verified`",
        label="Not verified",
    ),
    Column(
        "attention_kernels",
        TEXT,
        "the attention kernels of one denoiser call and how often each ran, such as `16 x flash, 2 x math`; `none "
        "that is fused` where attention is written out; empty if they are not known. Rounds of a cell that ran "
        "different kernels are not pooled: the report stops and names both",
    ),
)
