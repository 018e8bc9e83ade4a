"""Summaries of rows, as the tests of everything that is made of one need them."""

import pandas as pd

from diffbench.data.measurements import to_frame
from diffbench.statistics.summary import summarize
from diffbench.vocabulary.columns import CELL

BASELINE = {"variant": "eager"}


def cells_of(rows):
    return (
        pd.DataFrame([[row[column] for column in CELL] for row in rows], columns=CELL)
        .astype({"batch_size": int})
        .drop_duplicates()
    )


def summary_of(rows, cells=None, baseline=BASELINE):
    return summarize(to_frame(rows), cells_of(rows) if cells is None else cells, baseline)


def rounds_with(make_row, variant, rates, pipeline="sd-txt2img"):
    return [
        make_row(variant=variant, pipeline=pipeline, round=number, iterations_per_second=rate)
        for number, rate in enumerate(rates, start=1)
    ]
