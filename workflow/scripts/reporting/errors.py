"""The error that a user sees as one line."""

from measurement.errors import DiffbenchError


class ReportError(DiffbenchError):
    """Data that cannot be reported: the file or cell at fault, what was found, what was expected, what to do."""
