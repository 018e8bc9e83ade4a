"""The error that a user sees as one line, and the remedies that it names for a file."""

from diffbench.vocabulary.errors import DiffbenchError

AGAIN = "delete it to measure its run again"
AGAIN_BESIDE = "delete the run.csv next to it to measure its run again"
AGAIN_FOLDER = "delete its run's folder to measure it again"
REMADE = "delete it to have it made again"
SENT = "get a new copy of it, or leave it out"


class ReportError(DiffbenchError):
    """Data that cannot be reported: the file or cell at fault, what was found, what was expected, what to do."""
