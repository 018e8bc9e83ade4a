"""The badges of images compared with the baseline's, and the sign of one that is not the same image."""

BADGES = IDENTICAL, EQUIVALENT, CLOSE, DIFFERENT = "identical", "equivalent", "close", "different"  # from the best
OTHER_IMAGE = "⚠"  # marks the number of a variant whose badge is `different`
