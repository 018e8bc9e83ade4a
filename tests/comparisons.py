"""The published tables next to measured rows."""

from conftest import ROOT
from diffbench.data.measurements import to_frame
from diffbench.statistics.published import read_published
from diffbench.statistics.summary import summarize
from diffbench.tables.comparison import render_comparison
from printed_tables import LABELS
from summaries import cells_of

PUBLISHED = read_published(ROOT / "resources/published/pytorch2.csv")


def summary_of(rows):
    return summarize(to_frame(rows), cells_of(rows), {"variant": "eager"})


def comparison(rows, published=PUBLISHED):
    return render_comparison(published, summary_of(rows), LABELS, "the page")
