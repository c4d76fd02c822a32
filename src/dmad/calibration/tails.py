"""Extrapolates the tail of a distribution with a generalised Pareto fit."""

from __future__ import annotations

import numpy as np
from scipy import stats

FEWEST_FOR_A_SHAPE = 20  # with fewer excesses, the tail is assumed to be exponential
LARGEST_SHAPE = 0.5  # of a generalised Pareto tail
SMALLEST_MEAN = 0.05  # of the excesses, in standardised units


def pareto_excess(excess: np.ndarray, ratio: float) -> float:
    """Return the excess that is exceeded with a probability of 1 / `ratio`, by a fitted tail.

    A generalised Pareto tail is fitted by probability-weighted moments. Its shape is limited to the
    range from 0 (exponential) to `LARGEST_SHAPE`, so that the tail never ends at a finite value.

    Args:
        excess: (P,) values minus the level at which the tail begins, 0 or more.
        ratio: 1 or more.
    """
    mean = max(float(excess.mean()), SMALLEST_MEAN) if len(excess) else SMALLEST_MEAN
    shape = pareto_shape(excess) if len(excess) >= FEWEST_FOR_A_SHAPE else 0.0
    return float(stats.genpareto.isf(min(1 / ratio, 1.0), shape, scale=mean * (1 - shape)))


def pareto_shape(excess: np.ndarray) -> float:
    """Return the shape of a generalised Pareto tail, in [0, `LARGEST_SHAPE`]."""
    rank = (np.arange(len(excess)) + 0.65) / len(excess)
    first_moment = excess.mean()
    second_moment = (np.sort(excess) * (1 - rank)).mean()
    spread = first_moment - 2 * second_moment
    return float(np.clip(2 - first_moment / spread, 0, LARGEST_SHAPE)) if spread > 0 else 0.0
