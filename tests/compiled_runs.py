"""Rows of compiled runs, whose first calls take long."""


def rows_of(make_row, eager_s=2.5):
    """Two rounds of eager, and two of a variant that compiles: 50 s behind (10 s with a warm cache), 2 s a call."""
    eager = [
        make_row(
            round=number,
            startup_s=2,
            latency_s=eager_s + number / 1000,
            images_per_second=1 / (eager_s + number / 1000),
        )
        for number in (1, 2)
    ]
    compiled = [
        make_row(
            variant="compile",
            round=number,
            cache=cache,
            startup_s=startup_s,
            latency_s=2 + number / 1000,
            images_per_second=1 / (2 + number / 1000),
            iterations_per_second=25,
        )
        for number, (cache, startup_s) in enumerate([("cold", 52), ("warm", 12)], start=1)
    ]
    return eager + compiled
