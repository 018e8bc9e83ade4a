"""Measuring one run: needs torch and diffusers, never pandas or Snakemake; Python 3.8 syntax."""
