"""Drift: checks if the usual score of a camera has changed since its calibration."""

from __future__ import annotations

from collections import deque

import numpy as np

ENOUGH = 60  # fewest scores to detect drift; with fewer, one person may cause half of the scores
LIMIT = 2.0  # there is drift if the median is above this, or below its negative


class RecentScores:
    """Keeps the newest calibrated scores of a camera, one per second, to detect drift.

    The caller must not add scores during events.

    A calibrated score is the weighted sum of two standardised terms. To standardise a term, its
    median at calibration is subtracted, and the result is divided by its robust deviation (1.4826
    times the median absolute deviation). So a calibrated score is usually near 0.

    Args:
        seconds: For how many seconds scores are kept.
    """

    def __init__(self, seconds: int = 600) -> None:
        self._scores: deque[float] = deque(maxlen=seconds)
        self._time = -np.inf  # of the newest score

    def add_score(self, score: float, time: float) -> None:
        """Add the score of a frame, or do nothing if the last score is less than a second old."""
        seconds_since = time - self._time  # negative if the clock was set back
        if not 0 <= seconds_since < 1:
            self._scores.append(score)
            self._time = time

    @property
    def median(self) -> float:
        """The median of the scores; NaN without scores."""
        return float(np.median(self._scores)) if self._scores else np.nan

    @property
    def drifted(self) -> bool | None:
        """True if the median is far from 0; None with too few scores."""
        if len(self._scores) < ENOUGH:
            return None
        return abs(self.median) > LIMIT
