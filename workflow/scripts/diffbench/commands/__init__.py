"""The command lines of the programs in workflow/scripts that Snakemake runs in a torch build's environment; Python 3.8."""
