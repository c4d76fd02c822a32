"""What was found, as CSV: the frames of a clip, and its events."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dmad.evaluation.calibration import Calibration
from dmad.evaluation.events import find_events
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
        fps: Frames a second, for the column of times.
        gap: Frames before the first that is judged.
    """

    def __init__(self, fps: float, gap: int) -> None:
        self.fps, self.gap = fps, gap
        self.rows: list[tuple[int, float, float, float]] = []

    @property
    def count(self) -> int:
        """Frames judged."""
        return len(self.rows)

    def add(self, found: Explained) -> None:
        """The rows of a batch."""
        scores = found.scores
        columns = (scores.score, scores.reconstruction, scores.deformation)
        values = [column.double().cpu().numpy() for column in columns]
        self.rows += zip(found.index.tolist(), *(v.tolist() for v in values), strict=True)

    def csv(self, calibration: Calibration | None = None) -> str:
        """frame, time in seconds, score and its two terms, empty for the frames without a past.

        Args:
            calibration: Adds two columns, its own score and whether the frame is of an alarm.
        """
        names = ["frame", "time", "score", "reconstruction", "deformation"]
        columns = [self.column(which) for which in (1, 2, 3)]
        if calibration:
            names += ["calibrated", "alarm"]
            columns += [judged := self.calibrated(calibration), in_events(judged, calibration)]
        lines = (
            (i, f"{i / self.fps:.3f}", *("" if np.isnan(v) else f"{v:.6g}" for v in values))
            for i, values in enumerate(zip(*columns, strict=True))
        )
        return as_csv(names, lines)

    def calibrated(self, calibration: Calibration) -> NDArray[np.float64]:
        """The score that a threshold is for, a row a frame."""
        return calibration.scorer(self.column(2), self.column(3))

    def column(self, which: int) -> NDArray[np.float64]:
        """One column, NaN for the frames without a past."""
        return np.array([np.nan] * self.gap + [row[which] for row in self.rows])


def in_events(scores: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """1 for the frames of an event, 0 for others, NaN without a score."""
    inside = np.where(np.isnan(scores), np.nan, 0.0)
    for event in find_events(scores, calibration.rule):
        inside[event.start : event.end] = 1
    return inside


def events_csv(scores: NDArray[np.float64], calibration: Calibration, fps: float) -> str:
    """The events: start, end and peak in seconds, the peak's score, and the threshold."""
    events = find_events(scores, calibration.rule)
    lines = [
        (
            f"{e.start / fps:.3f}",
            f"{e.end / fps:.3f}",
            f"{e.peak / fps:.3f}",
            f"{e.score:.4g}",
            f"{calibration.threshold:.4g}",
        )
        for e in events
    ]
    return as_csv(("start", "end", "peak", "score", "threshold"), lines)
