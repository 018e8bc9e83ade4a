# Benchmarks of Diffusers pipelines: config -> matrix -> runs -> tables and figures.
#   snakemake --cores 1              measure what config/config.yaml asks for, then tables and figures
#   snakemake --cores 1 so_far       tables and figures of what has been measured so far
import sys
from pathlib import Path

from snakemake.utils import Paramspace, min_version

min_version("9.0")


configfile: "config/config.yaml"


sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))


include: "workflow/rules/plan.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


rule all:
    """Measure the whole matrix; make its tables and figures (the default)."""
    default_target: True
    input:
        RESULTS / "tables.md",
        multiext(str(RESULTS / "figures" / "speedup"), ".svg", ".png"),


onsuccess:
    show_tables()
