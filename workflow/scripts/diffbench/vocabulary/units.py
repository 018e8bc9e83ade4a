"""The units that rates are printed in."""

from typing import NamedTuple

ITERATIONS, IMAGES = "it/s", "images/s"  # the units of rates, which speed-ups compare


class Unit(NamedTuple):
    """A unit of the numbers in `column`, or of their reciprocals; `words` name it in a sentence."""

    name: str
    column: str
    is_reciprocal: bool
    more_is_better: bool
    words: str


UNITS = {
    unit.name: unit
    for unit in (
        Unit(ITERATIONS, "iterations_per_second", False, True, "iterations per second"),
        Unit("s/it", "iterations_per_second", True, False, "seconds per iteration"),
        Unit(IMAGES, "images_per_second", False, True, "images per second of the whole call"),
        Unit("s/image", "images_per_second", True, False, "seconds per image of the whole call"),
    )
}
RATES = {name: unit.column for name, unit in UNITS.items() if not unit.is_reciprocal}
