"""The lines that `snakemake` prints while it works and when it ends."""
