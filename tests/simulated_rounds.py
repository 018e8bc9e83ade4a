"""Rounds drawn at random, to see how often an interval contains the truth."""

import numpy as np

REPETITIONS = 20_000


ERROR = 0.005  # three standard errors of a share of 5% among so many


def rounds_of(generator, distribution, rounds, sigma):
    """Logarithms of the medians of rounds around 0, shape (REPETITIONS, rounds), with the standard deviation `sigma`."""
    shape = (REPETITIONS, rounds)
    if distribution == "normal":
        return generator.normal(0, sigma, shape)
    if distribution == "heavy tails":
        return generator.standard_t(5, shape) * sigma / np.sqrt(5 / 3)
    return (generator.gamma(4, 1, shape) - 4) * sigma / 2  # skewed: a machine is slowed down, seldom sped up


def moments(values):
    return values.mean(axis=1), values.std(axis=1, ddof=1), values.shape[1]
