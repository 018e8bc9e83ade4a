"""The words that all parts share: columns, statuses, units, sizes, thresholds, names, errors. Standard library, Python 3.8."""
