"""Finds the events of a camera live.

An event is reported when it begins, when its score becomes higher, and when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dmad.calibration.alarms import EventFinder
from dmad.calibration.calibration import Calibration
from dmad.inference.streaming import JudgedFrame
from dmad.watch.location import locate
from dmad.watch.messages import EventMessage

UPDATE_SECONDS = 1.0  # shortest time between two updates of one event

EventState = Literal["new", "update", "end"]


@dataclass(frozen=True, eq=False)
class EventUpdate:
    """A message about an event, and the frame with its highest score so far."""

    message: EventMessage
    peak: JudgedFrame


class LiveEvents:
    """Finds the events of one camera, with the alarm rule of the calibration.

    The rule counts frames at the frame rate of the calibration. So if frames were dropped before a
    frame, the score of this frame is also used for the dropped frames. In a gap, the rule gets
    frames without scores.

    Args:
        source: Name of the camera.
        calibration: Threshold, alarm rule and frame rate.
        kernel: Height and width in pixels over which maps are averaged to find the place of an
            event.
    """

    def __init__(self, source: str, calibration: Calibration, kernel: tuple[int, int]) -> None:
        self.source, self.calibration, self.kernel = source, calibration, kernel
        self._finder = EventFinder(calibration.rule)
        self._frame = 0  # index of the next frame that the rule gets
        self._time = np.nan  # of the last frame; NaN at the start and after a gap
        # A candidate is a sequence of active frames. When it is long enough, it is an event.
        self._start = self._end = 0.0  # of the candidate, in seconds
        self._peak: JudgedFrame | None = None  # its frame with the highest score
        self._last_message: EventMessage | None = None  # about the event in progress
        self._last_message_time = 0.0

    @property
    def is_quiet(self) -> bool:
        """True if there is neither an event nor a candidate now.

        A candidate is a short sequence of frames that becomes an event if it gets long enough.
        """
        return self._finder.candidate is None

    def use_threshold(self, calibration: Calibration) -> None:
        """Use the alarm rule of another calibration, which must compute the same scores."""
        self.calibration = calibration
        self._finder.rule = calibration.rule

    def add_frame(self, judged: JudgedFrame) -> Iterator[EventUpdate]:
        """Add the next scored frame. Yield an update if an event begins, changes or ends."""
        count = 1
        if not np.isnan(self._time):
            count = max(1, round((judged.time - self._time) * self.calibration.fps))
        self._time = judged.time
        for _ in range(count):
            yield from self._add_score(judged.calibrated, judged)

    def skip(self, seconds: float) -> Iterator[EventUpdate]:
        """Add a time without scores. An event ends if the time is longer than the rule's `gap`."""
        rule = self.calibration.rule
        enough = rule.gap + rule.cooldown + 2  # more frames without a score have no effect
        for _ in range(min(round(seconds * self.calibration.fps), enough)):
            yield from self._add_score(np.nan, None)
        self._time = np.nan

    def finish(self) -> Iterator[EventUpdate]:
        """End the event in progress: no frame follows."""
        if self._finder.end_clip():
            yield self._update("end")

    def _add_score(self, score: float, judged: JudgedFrame | None) -> Iterator[EventUpdate]:
        if self._finder.add_score(score):
            yield self._update("end")
        frame = self._frame
        self._frame += 1
        candidate = self._finder.candidate
        if judged is None or candidate is None:
            return
        if candidate.start == frame:
            self._start = judged.time
        if candidate.peak == frame:
            self._peak = judged
        if candidate.end == frame + 1:
            self._end = judged.time + 1 / self.calibration.fps
        if self._finder.current is None:
            return
        if self._last_message is None:
            yield self._update("new")
        elif self._has_risen() and judged.time - self._last_message_time >= UPDATE_SECONDS:
            yield self._update("update")

    def _has_risen(self) -> bool:
        assert self._peak
        assert self._last_message
        return self._peak.calibrated > self._last_message.score

    def _update(self, state: EventState) -> EventUpdate:
        assert self._peak
        term, box = locate(self._peak, self.calibration.scorer, self.kernel)
        message = EventMessage(
            source=self.source,
            id=f"{self.source}-{self._start:.3f}",
            state=state,
            start=self._start,
            peak=self._peak.time,
            end=self._end if state == "end" else None,
            score=self._peak.calibrated,
            threshold=self.calibration.threshold,
            term=term,
            box=box,
        )
        self._last_message = None if state == "end" else message
        self._last_message_time = self._time
        return EventUpdate(message, self._peak)
