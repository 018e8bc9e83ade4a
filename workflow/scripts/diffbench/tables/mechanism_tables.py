"""The mechanisms of variants as tables for the documentation, from what each declares."""

from diffbench.mechanisms.registry import MECHANISMS

COLUMNS = {"settings": ("key", "meaning"), "evidence": ("mechanism", "evidence")}  # by what a table shows


def mechanism_table(show):
    """The Markdown table of all mechanisms in the order in which they are applied: their settings or their evidence."""
    rows = [
        (f"`{name}`", mechanism.meaning if show == "settings" else mechanism.evidence)
        for name, mechanism in MECHANISMS.items()
    ]
    lines = [" | ".join(row) for row in (COLUMNS[show], ("---", "---"), *rows)]
    return "\n".join(f"| {line} |" for line in lines)
