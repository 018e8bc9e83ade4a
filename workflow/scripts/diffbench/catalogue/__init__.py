"""Pipelines, variants, GPUs, environments and datasets, read and checked. Standard library and PyYAML, Python 3.8."""
