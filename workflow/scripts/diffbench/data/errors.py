"""The error that a user sees as one line, and what it tells to do about a file."""

from diffbench.vocabulary.errors import DiffbenchError

AGAIN = "delete it and its run is measured again"
AGAIN_BESIDE = "delete the run.csv beside it and its run is measured again"
AGAIN_FOLDER = "delete its run's folder to measure it again"
REMADE = "delete it and it is made again"
SENT = "have it sent again, or leave it out"


class ReportError(DiffbenchError):
    """Data that cannot be reported: the file or cell at fault, what was found, what was expected, what to do."""
