"""Ladders of variants: rows of their steps, and their printed table."""

from printed_tables import cells_in

STEPS = ["ladder-1-fp32", "ladder-2-half", "ladder-3-sdpa", "ladder-5-fused", "ladder-6-compile", "ladder-7-regional"]


BASELINE = {"variant": STEPS[0]}


RATES = [10, 20, 30, None, 60, 45]


def step_rows(make_row, rates=RATES, rounds=2, **keys):
    rows = []
    for variant, rate in zip(STEPS, rates):
        for number in range(1, rounds + 1):
            facts = {
                "variant": variant,
                "round": number,
                "peak_allocated_mib": 2000,
                "peak_reserved_mib": 3000,
                "peak_rss_mib": 9000,
                **keys,
            }
            facts["first_call_s"], facts["cache"] = number, {1: "cold", 2: "warm"}[number]
            if rate is None:
                facts |= {"status": "unsupported", "phase": "load", "detail": "no projections | to fuse"}
            else:
                facts |= {"iterations_per_second": rate * (1 + number / 100), "images_per_second": rate / 50}
            rows.append(make_row(**facts))
    return rows


def table_of(text):
    """{step: its cells} of the first table."""
    lines = [cells_in(line.replace("\\|", "/")) for line in text.split("###")[1].splitlines() if line.startswith("|")]
    return {cells[0]: dict(zip(lines[0][1:], cells[1:])) for cells in lines[2:]}
