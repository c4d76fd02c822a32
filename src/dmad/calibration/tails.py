"""Extrapolates the tail of a distribution with a generalised Pareto fit.

A few events do not show how long a tail is. So the fit is a weighted mean of two tails: the tail of
these events, and a usual tail, which was found with simulated scores. The fewer events there are,
the more weight the usual tail has.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

# The usual tail, in standardised units (see docs/results.md, "Budgets of false alarms").
USUAL_MEAN = 1.2  # mean excess, set on simulated scores; not pooled from real footage
USUAL_SHAPE = 0.0
USUAL_EVENTS = 10.0  # the usual tail counts as much as this number of events
LARGEST_SHAPE = 0.2  # of a generalised Pareto tail


def pareto_excess(excess: np.ndarray, ratio: float) -> float:
    """Fit a tail to values, and return a quantile of this tail.

    A value of the tail is above the quantile with a probability of 1 / `ratio`.

    Args:
        excess: (P,) values minus the level at which the tail begins, 0 or more.
        ratio: 1 or more.
    """
    own = len(excess) / (len(excess) + USUAL_EVENTS)  # share of this footage in the fit
    mean = own * (float(excess.mean()) if len(excess) else 0.0) + (1 - own) * USUAL_MEAN
    shape = own * pareto_shape(excess) + (1 - own) * USUAL_SHAPE
    return float(stats.genpareto.isf(min(1 / ratio, 1.0), shape, scale=mean * (1 - shape)))


def pareto_shape(excess: np.ndarray) -> float:
    """Return the shape of a generalised Pareto tail, in [0, `LARGEST_SHAPE`].

    It is estimated by probability-weighted moments. Shape 0 is an exponential tail. A shape below 0
    is not allowed, because such a tail has a largest value.

    Args:
        excess: (P,) values minus the level at which the tail begins, 0 or more.
    """
    if len(excess) < 2:
        return 0.0
    rank = (np.arange(len(excess)) + 0.65) / len(excess)
    first_moment = excess.mean()
    second_moment = (np.sort(excess) * (1 - rank)).mean()
    spread = first_moment - 2 * second_moment
    return float(np.clip(2 - first_moment / spread, 0, LARGEST_SHAPE)) if spread > 0 else 0.0
