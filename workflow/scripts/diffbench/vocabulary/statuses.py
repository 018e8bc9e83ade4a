"""What a table prints in the place of a number: the status of a cell that has none."""

FAILED = {"compile-error": "❌", "unsupported": "n/a", "open": "…"}
FOOTNOTED = ("unsupported", "timeout", "crashed", "invalid")
OUTSIDE = "-"
