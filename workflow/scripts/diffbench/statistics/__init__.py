"""From rows to medians, intervals, speed-ups, verdicts and flags. pandas and SciPy, never torch."""
