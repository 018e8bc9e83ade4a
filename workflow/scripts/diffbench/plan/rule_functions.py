"""Helpers for functions that Snakemake calls once per job. They keep the planning of thousands of runs fast."""

import inspect


def per_job(function):
    """The function with its signature attached, which Snakemake would otherwise inspect several times per job."""
    function.__signature__ = inspect.signature(function)
    return function


def of_axes(cells, function, *axes):
    """A param of a run that depends only on these axes: its value if it is the same for all `cells`, otherwise a function."""
    values = {function(*cell) for cell in cells[list(axes)].drop_duplicates().itertuples(index=False)}
    return values.pop() if len(values) == 1 else per_job(lambda wildcards: function(*map(wildcards.get, axes)))
