"""Figures of rows, and the texts, bars and panels that are drawn in them."""

from matplotlib.text import Text

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.data.measurements import to_frame
from diffbench.figures.figures import FIGURES
from diffbench.statistics.summary import summarize
from summaries import cells_of

LABELS = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])


BASELINE = {"variant": "eager"}


FACTS = ROOT / "resources/published/pytorch2.csv"


def summary_of(rows, cells=None, baseline=BASELINE):
    return summarize(to_frame(rows), cells_of(rows) if cells is None else cells, baseline)


def texts_of(figure):
    return [" ".join(text.get_text().split()) for text in figure.findobj(Text) if text.get_text()]


def caption_of(figure):
    return " ".join(figure._supxlabel.get_text().split())


def panels_of(figure):
    """{title: axes}"""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}


def beside_bars(axes):
    return [text.get_text() for text in axes.texts]


def draw(name, summary, labels=LABELS, baseline=BASELINE):
    return FIGURES[name](summary, labels, baseline)


def measured_rows(make_row):
    """Two rounds that differ by 1%."""
    return [
        make_row(
            pipeline=pipeline, batch_size=size, variant=variant, round=number, iterations_per_second=rate * 1.01**number
        )
        for pipeline in ("sd-txt2img", "sdxl-txt2img")
        for size in (1, 4)
        for variant, rate in (("eager", 10), ("compile", 20))
        for number in (1, 2)
    ]


def odd_labels():
    return {
        "gpus": {"A100": "$GPU_{1}$ " + "g" * 200},
        "pipelines": {"sd-txt2img": "_x_ $\\frac$ <b>&\n\x01", "sdxl-txt2img": "   "},
        "variants": {"eager": "$", "compile": "word " * 50},
    }
