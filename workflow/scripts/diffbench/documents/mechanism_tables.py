"""The tables of mechanisms in config/README.md and docs/method.md, from what each mechanism declares."""

from diffbench.mechanisms.registry import MECHANISMS

from .vocabulary_tables import render_rows

COLUMNS = {"settings": ["key", "meaning"], "evidence": ["mechanism", "evidence"]}  # by what a table shows


def render_mechanisms(show: str) -> str:
    """The Markdown table of all mechanisms in the order in which they are applied: their settings or their evidence."""
    rows = [
        (f"`{name}`", mechanism.meaning if show == "settings" else mechanism.evidence)
        for name, mechanism in MECHANISMS.items()
    ]
    return render_rows(COLUMNS[show], rows)
