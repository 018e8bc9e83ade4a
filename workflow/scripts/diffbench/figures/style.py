"""How figures look: styles that differ without colour, a grid of panels with legend and caption, and labels of any text."""

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")
Style = dict[str, Any]  # the keyword arguments of a bar, a line or a point
Colour = tuple[float, float, float]
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "diffbench",  # the same figure gives the same file
    "svg.fonttype": "none",
    "text.parse_math": False,  # a `$` in a label is a `$`
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.7,
}
HATCHES = ["", "////", "....", "xxxx", "----", "++++", "oooo", "\\\\\\\\"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]
DASHES: list[Any] = ["-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3))]
SMALL = 6.5  # points: the text at bars and points
CHARACTER = 0.58  # width of a character divided by its font size, a little more than in DejaVu Sans


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Decorates a function that makes texts or artists, which take their settings when they are made."""

    @wraps(draw)
    def wrapper(*arguments: P.args, **keys: P.kwargs) -> T:
        with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]
            return draw(*arguments, **keys)

    return wrapper


def shown(text: object, width: int = 40, lines: int = 3) -> str:
    """A label that a figure can show: no control characters, wrapped at `width` small letters, cut after `lines`."""
    plain = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", " ", str(text)).split())
    if len(plain) > 20:  # long enough for an average
        width = max(4, int(width * len(plain) / sum(map(character_width, plain))))
    return "\n".join(textwrap.wrap(plain, width, max_lines=lines, placeholder="…"))


def text_width(text: str, size: float = SMALL) -> float:
    """The approximate width in points of a text's longest line."""
    return max(sum(map(character_width, line)) for line in text.split("\n")) * size * CHARACTER


def character_width(character: str) -> float:
    """The width of a character; 1 for a small letter."""
    return 1.8 if unicodedata.east_asian_width(character) in "WF" else 1.35 if character.isupper() else 1


def colour_of(index: int) -> Colour:
    """The colour of the bar, line or point with this number, in the order of a table's columns."""
    palette = sns.color_palette("colorblind")
    red, green, blue = palette[index % len(palette)]
    return red, green, blue


def grid_of(widths: Sequence[float], heights: Sequence[float]) -> tuple[Figure, np.ndarray]:
    """A figure and its 2D array of axes; `widths` of the columns and `heights` of the rows in inches, decoration excluded."""
    size = max(6.4, sum(widths) + 1.4), sum(heights) + 0.6 * len(heights)
    figure = Figure(figsize=size, layout="constrained")
    ratios = {"width_ratios": widths, "height_ratios": heights}
    return figure, figure.subplots(len(heights), len(widths), squeeze=False, gridspec_kw=ratios)


def finish(figure: Figure, title: str, caption: Iterable[str], handles: Sequence[tuple[Any, str]] = ()) -> Figure:
    """Title and legend above the panels, the caption below; the figure grows to fit it; `handles` are (artist, label)."""
    inches, height = figure.get_size_inches()
    width = inches * 72
    title = shown(title, int(width / (11 * CHARACTER)))
    text = "\n".join(shown(sentence, int(width / (7 * 0.53)), 8) for sentence in caption)
    figure.supxlabel(text, fontsize=7, x=0.01, ha="left")
    lines = 0.2 * (title.count("\n") + 1) + 0.12 * (text.count("\n") + 1) + 0.2  # inches
    if handles:
        artists, names = zip(*[(artist, shown(name, 50)) for artist, name in handles])
        columns = min(len(names), max(1, int(width / (max(text_width(name, 8) for name in names) + 45))))
        figure.legend(
            artists,
            names,
            title=title,
            title_fontsize=11,
            ncols=columns,
            loc="outside upper center",
            frameon=False,
            handlelength=3,
        )
        lines += 0.18 * -(-sum(name.count("\n") + 1 for name in names) // columns)
    else:
        figure.suptitle(title, fontsize=11)
    figure.set_size_inches(inches, height + lines)
    return figure


def blank(title: str, text: str) -> Figure:
    """A figure with only the reason why it is empty."""
    figure = Figure(figsize=(6.4, 1.6), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=10)
    return finish(figure, title, [])
