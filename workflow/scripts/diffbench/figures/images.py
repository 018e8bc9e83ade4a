"""One image of a strip: the image or why there is none, the text below it, and its amplified difference."""

import numpy as np
from matplotlib.axes import Axes

from diffbench.data.types import Row
from diffbench.tables.cells import print_failure
from diffbench.vocabulary.badges import DIFFERENT, OTHER_IMAGE
from diffbench.vocabulary.statuses import OUTSIDE

from .style import shown

AMPLIFIED = 10  # the same in every strip, so that strips can be compared
ALARM = "#c00000"


def describe_badge(badge: Row | None, own: bool) -> str:
    """The text below an image: badge and measures; `own`: it is the baseline's, whose rounds are compared with each other."""
    if badge is None:
        return "not compared: the baseline has no image"
    name = badge["fidelity"] or (f"not compared: {badge['note']}" if badge["note"] else "")
    lines = [f"{OTHER_IMAGE} {name}" if name == DIFFERENT else name]
    if own:
        lines = [f"baseline, its other rounds: {lines[0]}" if name else "baseline"]
    if not np.isnan(badge["psnr_db"]):
        psnr = "∞" if np.isinf(badge["psnr_db"]) else f"{badge['psnr_db']:.2f} dB"
        lines.append(f"PSNR {psnr}, SSIM {badge['ssim']:.4f}")
    if not badge["identical"] and not np.isnan(badge["latents_difference"]):
        lines.append(f"latents differ by {badge['latents_difference']:.2g} of {badge['latents_scale']:.3g}")
    return "\n".join(lines)


def draw_panel(axes: Axes, image: np.ndarray | str, text: str, alarm: bool = False) -> None:
    """An image, or the words instead of it, with a text below; an alarm is large, bold, red and framed."""
    if isinstance(image, str):
        axes.text(0.5, 0.5, shown(image, 24, 6), ha="center", va="center", fontsize=9, transform=axes.transAxes)
        axes.set(facecolor="0.94", box_aspect=1)
    else:
        axes.imshow(image, interpolation="none")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=ALARM if alarm else "0.6", linewidth=4 if alarm else 0.6)
    style = {"color": ALARM, "fontweight": "bold", "fontsize": 10} if alarm else {"fontsize": 8}
    axes.set_xlabel("\n".join(shown(line, 40, 3) for line in text.split("\n")), **style)


def difference_of(image: np.ndarray | None, base: np.ndarray | None) -> np.ndarray | None:
    """The absolute difference of two images, integers from 0 to 255; None unless there are two of the same shape."""
    if image is None or base is None or image.shape != base.shape:
        return None
    return np.abs(image.astype(int) - base)


def draw_difference(axes: Axes, difference: np.ndarray | None) -> None:
    """A difference, amplified; nothing if there is none."""
    if difference is None or not difference.any():
        axes.set_axis_off()
        text = "" if difference is None else "no difference in the image"
        axes.text(0.5, 1, text, ha="center", va="top", fontsize=8, transform=axes.transAxes)
        return
    text = f"difference × {AMPLIFIED}, largest: {difference.max()} of 255"
    draw_panel(axes, np.minimum(difference * AMPLIFIED, 255).astype(np.uint8), text)


def words_for(row: Row | None) -> str:
    """The words instead of an image that is missing; `row` is None outside the matrix."""
    if row is None:
        return OUTSIDE
    return "no image kept" if row["status"] == "ok" else print_failure(row)
