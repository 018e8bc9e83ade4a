# So that plain `snakemake` works in this folder: workflow/Snakefile has the targets, the rules and what they need.
include: "workflow/Snakefile"


workflow.default_target = "all"  # Snakemake keeps none of an included file
