"""The units that rates are printed in."""

UNITS = {  # unit: (its column, whether to take the reciprocal, whether more is better, its name in a sentence)
    "it/s": ("iterations_per_second", False, True, "Iterations per second"),
    "s/it": ("iterations_per_second", True, False, "Seconds per iteration"),
    "images/s": ("images_per_second", False, True, "Images per second of the whole call"),
    "s/image": ("images_per_second", True, False, "Seconds per image of the whole call"),
}
