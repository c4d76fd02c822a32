"""Drift: whether the usual score of a camera has moved away from its calibration."""

from __future__ import annotations

from collections import deque

import numpy as np

ENOUGH = 60  # scores from which drift can be told; of fewer, one walker may be half
LIMIT = 2.0  # robust deviations between the usual score and the calibrated one


class RecentScores:
    """The calibrated scores of the last minutes, outside of events; one a second.

    Args:
        seconds: Length of that time.
    """

    def __init__(self, seconds: int = 600) -> None:
        self._scores: deque[float] = deque(maxlen=seconds)
        self._time = -np.inf  # of the newest score

    def add_score(self, score: float, time: float) -> None:
        """Add the score of a frame, unless the last one is less than a second old."""
        seconds_since = time - self._time  # negative if the clock was set back
        if not 0 <= seconds_since < 1:
            self._scores.append(score)
            self._time = time

    @property
    def median(self) -> float:
        """The usual score, in robust deviations of the calibration; NaN without scores."""
        return float(np.median(self._scores)) if self._scores else np.nan

    @property
    def drifted(self) -> bool | None:
        """True if the usual score is far from the calibrated one; None with too few scores."""
        if len(self._scores) < ENOUGH:
            return None
        return abs(self.median) > LIMIT
