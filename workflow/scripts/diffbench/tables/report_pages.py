"""Self-contained HTML pages for Snakemake's report: one per table, and one with the versions of each torch build."""

import html

import pandas as pd

from diffbench.statistics.build_differences import different
from diffbench.statistics.published import About

from .formats import Table, to_html

UNKNOWN, NONE = "unknown", "none"
VERSIONS = {  # as printed: column of a summary
    "torch": "torch_version",
    "CUDA": "cuda_version",
    "Python": "python_version",
    "Diffusers": "diffusers_version",
    "transformers": "transformers_version",
    "accelerate": "accelerate_version",
    "device": "device_name",
}
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin-bottom: 1rem; }
caption { text-align: left; font-weight: 600; font-size: 1.15rem; padding-bottom: .5rem; }
th, td { border: 1px solid #c8c8c8; padding: .3rem .6rem; text-align: center; font-variant-numeric: tabular-nums; }
th { background: #f2f2f2; }
th[scope="row"] { text-align: left; }
p, ol { max-width: 60rem; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; }
"""


def to_page(title: str, body: str) -> str:
    """A complete page that loads nothing; `body` is HTML, `title` a text."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def table_page(table: Table, about: About | None = None) -> str:
    """The page of a Table; with `about`, it ends with the source."""
    source = f"<p>Source: {html.escape(about['source'])}.</p>\n" if about else ""
    return to_page(table.heading, to_html(table) + source)


def environment_page(summary: pd.DataFrame, torch: str, record: str | None = None) -> str:
    """The page of a torch build: the versions that its measurements recorded and, with the text `record`, every package."""
    rows = summary[summary["torch"] == torch]
    recorded = bool(different(rows["torch_version"]))

    def print_versions(name: str, column: str) -> str:
        # a torch build for the CPU has no CUDA
        absent = NONE if recorded and name == "CUDA" else UNKNOWN
        return html.escape(" and ".join(different(rows[column])) or absent)

    body = "\n".join(
        f'<tr><th scope="row">{name}</th><td>{print_versions(name, column)}</td></tr>'
        for name, column in VERSIONS.items()
    )
    title = f"torch {torch}"
    table = f"<table>\n<caption>{html.escape(title)}</caption>\n<tbody>\n{body}\n</tbody>\n</table>\n"
    packages = f"<h2>Packages</h2>\n<pre>{html.escape(record)}</pre>\n" if record else ""
    return to_page(title, table + packages)
