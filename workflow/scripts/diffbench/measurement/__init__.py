"""Measuring one run. Needs torch and Diffusers, never pandas or Snakemake; Python 3.8."""
