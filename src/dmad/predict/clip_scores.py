"""The scores and events of one clip, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import nan

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.alarms import Event, frames_in_events
from dmad.calibration.calibration import Calibration
from dmad.files import csv_text
from dmad.inference.streaming import JudgedFrame

COLUMNS = ("score", "raw", "reconstruction", "deformation")


class ClipScores:
    """The scores of the frames of one clip.

    First add every frame, in order, with `add_unscored` or `add_scored`. Then read the tables.

    Args:
        fps: Frames per second.
        times: Time of every frame in seconds. The list may grow while frames are added.
        gaps: Index of the first frame after each gap. This list may grow too.
        calibration: The calibration with the threshold; None without a threshold.
    """

    def __init__(
        self,
        fps: float,
        times: Sequence[float],
        gaps: Sequence[int] = (),
        calibration: Calibration | None = None,
    ) -> None:
        self.fps, self.times, self.gaps, self.calibration = fps, times, gaps, calibration
        self.scored_frames = 0
        self._values: dict[str, list[float]] = {name: [] for name in COLUMNS}

    def __len__(self) -> int:
        return len(self._values["score"])

    def add_unscored(self) -> None:
        """Add a frame without a score: it has too few frames before it."""
        for column in self._values.values():
            column.append(nan)

    def add_scored(self, judged: JudgedFrame) -> None:
        """Add a scored frame."""
        self.scored_frames += 1
        for name, column in self._values.items():
            column.append(getattr(judged, name))

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one of the `COLUMNS`, (N,): a value for each frame; NaN if it has no score."""
        return np.array(self._values[name])

    @property
    def main_score(self) -> NDArray[np.float64]:
        """The calibrated score of each frame, (N,); without a threshold, the raw score."""
        return self.column("score")

    @cached_property
    def events(self) -> list[Event]:
        """The events; empty without a threshold. Read them after all frames are added."""
        if not self.calibration:
            return []
        starts = [0, *(index for index in self.gaps if index < len(self))]
        return self.calibration.events(self.main_score, np.diff([*starts, len(self)]))

    def larger_part(self, frame: int) -> str:
        """Return which term is the larger part of a frame's score: "error" or "deformation".

        Without a threshold, the result is empty: only a calibration makes both terms comparable.
        """
        if not self.calibration:
            return ""
        scorer = self.calibration.scorer
        part = slice(max(0, frame + 1 - scorer.window), frame + 1)  # the score is their average
        return scorer.larger_part(
            self.column("reconstruction")[part], self.column("deformation")[part]
        )

    def end_of(self, event: Event) -> float:
        """Return the end of an event in seconds: the time of the next frame.

        If there is a gap or no frame after the event, return the end of its last frame.
        """
        if event.end in self.gaps or event.end == len(self.times):
            return self.times[event.end - 1] + 1 / self.fps
        return self.times[event.end]

    def to_csv(self) -> str:
        """Return a CSV table of all frames. A frame without a score has empty cells."""
        columns = {name: self.column(name) for name in COLUMNS}
        if self.calibration:
            in_event = frames_in_events(len(self), self.events)
            unknown = np.isnan(self.main_score) & ~in_event
            columns["alarm"] = np.where(unknown, nan, in_event)
        rows = []
        for index in range(len(self)):
            values = [column[index] for column in columns.values()]
            cells = ["" if np.isnan(value) else f"{value:.6g}" for value in values]
            rows.append([index, f"{self.times[index]:.3f}", *cells])
        return csv_text(["frame", "time", *columns], rows)

    def events_to_csv(self) -> str:
        """Return a CSV table of the events: times in seconds, highest score and threshold."""
        assert self.calibration
        threshold = f"{self.calibration.threshold:.4g}"
        rows = []
        for event in self.events:
            seconds = (self.times[event.start], self.end_of(event), self.times[event.peak])
            cells = [f"{second:.3f}" for second in seconds]
            rows.append([*cells, f"{event.score:.4g}", threshold])
        return csv_text(["start", "end", "peak", "score", "threshold"], rows)
