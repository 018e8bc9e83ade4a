"""What `snakemake` prints while it works and when it ends."""
