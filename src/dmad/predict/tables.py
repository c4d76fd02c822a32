"""What was found, as CSV: the frames of a clip, and its events."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.alarms import Event, find_events
from dmad.calibration.calibration import Calibration
from dmad.inference.detector import Explained


def as_csv(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table as text."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows(lines)
    return text.getvalue()


class Table:
    """Per-frame scores of one clip.

    Args:
        fps: Frames a second.
        calibration: Adds two columns, its own score and whether the frame is of an alarm.
    """

    def __init__(self, fps: float, calibration: Calibration | None = None) -> None:
        self.fps, self.calibration = fps, calibration
        self.rows: list[tuple[int, float, float, float]] = []
        self.times: list[float] = []  # seconds of every frame, those without a past too
        self.breaks: list[int] = []  # frames that do not follow the one before
        self.length = 0  # frames that it tells of: up to the last judged, or all

    @property
    def count(self) -> int:
        """Frames judged."""
        return len(self.rows)

    def add(self, found: Explained) -> None:
        """The rows of a batch."""
        values = found.columns()[:3]
        self.rows += zip(found.index.tolist(), *(v.tolist() for v in values), strict=True)
        self.length = self.rows[-1][0] + 1

    def csv(self) -> str:
        """frame, time in seconds, score and its two terms, empty for the frames without a past."""
        names = ["frame", "time", "score", "reconstruction", "deformation"]
        columns = [self.column(which) for which in (1, 2, 3)]
        if self.calibration:
            names += ["calibrated", "alarm"]
            columns += [self.judged, in_events(self.judged, self.events)]
        lines = (
            (i, f"{self.times[i]:.3f}", *("" if np.isnan(v) else f"{v:.6g}" for v in values))
            for i, values in enumerate(zip(*columns, strict=True))
        )
        return as_csv(names, lines)

    def events_csv(self) -> str:
        """The events: start, end and peak in seconds, the peak's score, and the threshold."""
        assert self.calibration
        level = f"{self.calibration.threshold:.4g}"
        lines = [
            (*(f"{when:.3f}" for when in self._when(event)), f"{event.score:.4g}", level)
            for event in self.events
        ]
        return as_csv(("start", "end", "peak", "score", "threshold"), lines)

    def _when(self, event: Event) -> tuple[float, float, float]:
        """Its start, its end, and its peak; it ends with the frame before a break."""
        cut = event.end in (*self.breaks, len(self.times))
        end = self.times[event.end - 1] + 1 / self.fps if cut else self.times[event.end]
        return self.times[event.start], end, self.times[event.peak]

    @cached_property
    def judged(self) -> NDArray[np.float64]:
        """Once all frames are there: the score that the threshold is for, else that of Eq. 14."""
        if not self.calibration:
            return self.column(1)
        return self.calibration.score(self.column(2), self.column(3), self._lengths)

    @cached_property
    def events(self) -> list[Event]:
        """Once all frames are there: the alarms; none without a threshold."""
        if not self.calibration:
            return []
        return self.calibration.events(self.judged, self._lengths)

    @property
    def _lengths(self) -> NDArray[np.int64]:
        """Frames of each stretch without a break."""
        inside = [index for index in self.breaks if index < self.length]
        return np.diff([0, *inside, self.length])

    def column(self, which: int) -> NDArray[np.float64]:
        """One column, NaN for the frames without a past."""
        values = np.full(self.length, np.nan)
        values[[row[0] for row in self.rows]] = [row[which] for row in self.rows]
        return values


def in_events(scores: NDArray[np.float64], events: Sequence[Event]) -> NDArray[np.float64]:
    """1 for the frames of an event, 0 for others, NaN without a score."""
    inside = np.where(np.isnan(scores), np.nan, 0.0)
    for event in events:
        inside[event.start : event.end] = 1
    return inside
