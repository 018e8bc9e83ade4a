"""The error that a user sees as one line, and the frame that shows it so."""

import sys

from measurement.errors import DiffbenchError


class ReportError(DiffbenchError):
    """Data that cannot be reported: the file or cell at fault, what was found, what was expected, what to do."""


def run_script(main, snakemake):
    """Run a script's `main(snakemake)`; a DiffbenchError or a full disk becomes one line, in the log too, and exit code 1."""
    try:
        main(snakemake)
    except (DiffbenchError, OSError) as error:
        text = f"error: {describe(error)}"
        if snakemake.log:
            with open(snakemake.log[0], "w", encoding="utf-8") as log:
                log.write(text + "\n")
        sys.exit(text)


def describe(error):
    """A ReportError's own text; an OSError's file and reason."""
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: cannot be read or written: {error.strerror}"
    return str(error)
