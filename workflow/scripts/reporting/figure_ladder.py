"""The ladder as a waterfall: each step a bar from the rate of the step before to its own; a panel a ladder."""

from matplotlib.patches import Patch

from .cells import OUTSIDE
from .figure_bars import BESIDE_STYLE, PANEL, PER_ROW, limit_of, longest_of
from .figure_cells import SIGN, Cells, Mark, describe_origin, describe_rounds, mark_rate, print_failure
from .figure_style import blank, colour_of, finish, grid_of, shown, styled
from .labels import label_of
from .ladder import ladders, name_place

HEIGHT, THICK = 0.22, 0.62  # inches of a step, and the share of them that its bar takes
TITLE = "Ladder: iterations per second, step by step"
FIRST, RISE, FALL = "first step", "faster than the step before", "slower than the step before"
STYLES = {  # told apart in black and white by the hatch
    FIRST: {"facecolor": "0.6", "edgecolor": "white", "linewidth": 0},
    RISE: {"facecolor": colour_of(0), "edgecolor": "white", "linewidth": 0},
    FALL: {"facecolor": colour_of(1), "hatch": "////", "edgecolor": "white", "linewidth": 0},
}


def mark_step(step):
    """The Mark of a step: its value is where the bar ends furthest, its text the rate and what it is of the first step's."""
    if step.rate is None:
        return Mark(step.before, None, None, OUTSIDE if step.row is None else print_failure(step.row))
    mark = mark_rate(step.row)
    of_first = f" ({step.rate / step.first:.2f}x)" if step.first else ""
    sign = f"{SIGN} " if step.row["fidelity"] == "different" else ""
    return mark._replace(value=max(step.rate, step.before or 0), text=f"{sign}{mark.text}{of_first}")


def kind_of(step):
    """FIRST, RISE or FALL; the first step that has a number begins."""
    if step.before is None:
        return FIRST
    return RISE if step.rate >= step.before else FALL


def draw_steps(axes, steps, marks, limit):
    """The bars of one ladder from top to bottom, joined by lines where the next one begins."""
    longest = longest_of(marks)
    for place, (step, mark) in enumerate(zip(steps, marks)):
        end, level = mark.value or 0, step.rate if step.rate is not None else step.before
        if step.rate is not None:
            start = step.before or 0
            axes.barh(place, step.rate - start, THICK, left=start, zorder=3, **STYLES[kind_of(step)])
            if mark.low is not None:
                spread = [[step.rate - mark.low], [mark.high - step.rate]]
                axes.errorbar(step.rate, place, xerr=spread, color="black", linewidth=0.7, capsize=1.5, zorder=4)
                end = max(end, min(mark.high, longest))
        if level is not None and place + 1 < len(steps):
            axes.plot([level, level], [place, place + 1], color="0.4", linewidth=0.7, zorder=2)
        axes.annotate(mark.text, (end, place), (3, 0), va="center_baseline", **BESIDE_STYLE)
    axes.set_ylim(len(steps) - 0.45, -0.55)
    axes.set_xlim(0, limit)
    axes.set_yticks(range(len(steps)), [])
    axes.tick_params(axis="y", length=0)


@styled
def draw_ladder(summary, labels, baseline):
    """Every ladder of a dataset, a panel each; signs are of images that are not the baseline's."""
    if not len(summary):
        return blank(TITLE, "no data")
    cells = Cells(summary, labels)
    found = list(ladders(cells).items())
    rows = [found[start : start + PER_ROW] for start in range(0, len(found), PER_ROW)]
    names = [shown(label_of(labels, "variants", variant), 28, 1) for variant in cells.unique("variant")]
    figure, grid = grid_of([PANEL] * len(rows[0]), [len(names) * HEIGHT + 0.1] * len(rows))
    every, kinds = [], set()
    for row, row_axes in zip(rows, grid):
        for axes in row_axes[len(row) :]:
            axes.set_visible(False)
        for (place, steps), axes in zip(row, row_axes):
            marks = [mark_step(step) for step in steps]
            draw_steps(axes, steps, marks, limit_of(marks))
            axes.set_title(shown(name_place(cells, place), 38))
            axes.set_xlabel("iterations per second")
            every += marks
            kinds |= {kind_of(step) for step in steps if step.rate is not None}
        row_axes[0].set_yticklabels(names)
    told = ["Beside a bar: the step's iterations per second (over the first step's).", *describe_rounds(summary, every)]
    told += [f"{SIGN}: another image."] * any(mark.text.startswith(SIGN) for mark in every)
    caption = [" ".join(told), *describe_origin(summary, cells)]
    return finish(figure, TITLE, caption, [(Patch(**STYLES[kind]), kind) for kind in STYLES if kind in kinds])
