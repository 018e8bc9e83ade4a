"""Documents with markers, and what fills them."""

import pytest

from diffbench.data.errors import ReportError
from diffbench.documents.filling import update

TABLE = "| a | b |\n|:-:|:-:|\n| 1 | ❌ |"


BLOCK = '<!-- diffbench:begin table dataset=pytorch2 gpu="RTX 3090" batch_size=1 -->'


CELL = "<!-- diffbench:begin cell gpu=A100 -->"


END = "<!-- diffbench:end -->"


def render(marker):
    return "49.74" if marker.inline else TABLE


def fails(text, render=render):
    """The error of an update of the document `page.md`: one line."""
    with pytest.raises(ReportError) as error:
        update(text, "page.md", render)
    assert "\n" not in str(error.value)
    return str(error.value)
