"""From the config to the cells, runs, files and jobs of the workflow. pandas, never torch."""
