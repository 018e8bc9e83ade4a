"""diffbench measures how fast pipelines of Diffusers run, and reports it. CONTRIBUTING.md has the map of these folders."""
