"""The reader's page: a dataset as one HTML file that needs no network, with every cell, its rounds and its calls."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from diffbench.catalogue.labels import Labels
from diffbench.catalogue.sources import ROOT
from diffbench.data.types import Baseline
from diffbench.tables.cells import Cells, describe_origin, name_baseline
from diffbench.vocabulary.badges import OTHER_IMAGE
from diffbench.vocabulary.columns import HEADINGS
from diffbench.vocabulary.statuses import OPEN
from diffbench.vocabulary.thresholds import WIDEST_INTERVAL
from diffbench.vocabulary.units import UNITS

from .baselines import baselines_of
from .details import Details
from .headline import headline_of
from .page_data import cells_of, dimensions_of

PAGE = ROOT / "report" / "page"
LIBRARIES = ("table-core.min.js", "d3.min.js", "plot.umd.min.js")
SCRIPTS = ("state.js", "units.js", "table.js", "figures.js", "cell.js", "page.js")


def build_page(
    summary: pd.DataFrame, labels: Labels, baseline: Baseline, about: Mapping[str, Any], details: Details
) -> str:
    """The HTML of a dataset's page.

    `about`: its `title`, and `source` and `url` if it has them; `details`: details.Details, everything besides the
    summary. Labels, names and texts are data in it, never markup: the template escapes what it prints, the rest is JSON that
    scripts put into text nodes. Its content security policy allows no requests and only the scripts that are in it.
    """
    baselines, left_out = baselines_of(summary, labels, baseline)
    tiny, random = (
        bool(summary[key].str.contains(word).any()) for key, word in (("scale", "tiny"), ("weights", "random"))
    )
    cells, differences = cells_of(summary, labels, baselines, details)
    data = {
        "title": about["title"],
        "source": about.get("source", ""),
        "marks": about.get("marks", {}),
        "note": note_of(tiny, random),
        "widest_interval": WIDEST_INTERVAL,
        "other_image": OTHER_IMAGE,
        "units": {name: unit.words for name, unit in UNITS.items()},
        "headings": HEADINGS,
        "dimensions": dimensions_of(summary, labels),
        "baselines": [{"key": base.key, "label": base.label} for base in baselines],
        "baselines_left_out": left_out,
        "cells": cells,
        "differences": differences,
        "strips": details.strips,
        "provenances": details.provenances,
    }
    scripts = [(PAGE / "vendor" / name).read_text(encoding="utf-8") for name in LIBRARIES]
    scripts.append("\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS))
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        about={"url": "", "source": "", **about},
        headline=headline_of(summary, labels, name_baseline(baseline, labels)),
        origin=describe_origin(summary, Cells(summary, labels)),
        warnings=warnings_of(summary, tiny, random),
        licences=(PAGE / "vendor" / "licences.txt").read_text(encoding="utf-8"),
        style=Markup((PAGE / "page.css").read_text(encoding="utf-8")),
        data=Markup(to_json(data)),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(f"'sha256-{hash_of(script)}'" for script in scripts),
    )


def to_json(data: object) -> str:
    """JSON for a script element: no `<`, `>` or `&`, so that it cannot end the element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def hash_of(script: str) -> str:
    """The digest by which the page's policy knows a script."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def note_of(tiny: bool, random: bool) -> str:
    """The note next to every number if models are miniatures or weights random."""
    words = " with ".join(["miniature models"] * tiny + ["random weights"] * random)
    return f"{words.capitalize()}." if words else ""


def warnings_of(summary: pd.DataFrame, tiny: bool, random: bool) -> list[str]:
    """What a reader must know before any number: miniature models, random weights, cells that are still open."""
    warnings = []
    if tiny:
        warnings.append("Miniature models: these numbers show that the benchmark works, not how fast a device is.")
    if random:
        warnings.append("Random weights: the device does the same work as with real weights, but the images are noise.")
    count = int((summary["status"] == OPEN.name).sum())
    if count:
        warnings.append(f"{count} of {len(summary)} cells and stages have not been measured yet.")
    return warnings
