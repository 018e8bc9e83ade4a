"""Functions of rules that Snakemake calls once per job: what keeps planning thousands of runs quick."""

import inspect


def per_job(function):
    """The function with its signature, which Snakemake otherwise works out several times per job."""
    function.__signature__ = inspect.signature(function)
    return function


def of_axes(cells, function, *axes):
    """A param of a run that depends on these axes alone: its value where all `cells` have the same one, else a function."""
    values = {function(*cell) for cell in cells[list(axes)].drop_duplicates().itertuples(index=False)}
    return values.pop() if len(values) == 1 else per_job(lambda wildcards: function(*map(wildcards.get, axes)))
