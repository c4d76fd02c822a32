"""From frame scores to events, frame by frame, and what the alarms are worth to an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmad.data.series import check_finite, split_clips
from dmad.errors import require


@dataclass(frozen=True)
class Rule:
    """When scores make an event; every decision is made from the past alone.

    A frame is active if its score is at or above `on`, or at or above `off` and the frame before
    was active. Active frames with at most `gap` others between them belong together. They are an
    event as soon as `minimum` of them are active; fewer are dropped. For `cooldown` frames after
    the end of an event none starts: what begins in that time is passed over, but starts an event if
    a score is at or above `on` when it is over. A frame without a score (NaN) is not active.

    Args:
        on: Score at or above which an event starts.
        off: Score at or above which it goes on, at most `on`.
        minimum: Active frames that make an event, at least 1. The alarm is given at the last.
        gap: Frames in a row that need not be active within an event.
        cooldown: Frames after the last active one of an event in which no other starts.
    """

    on: float
    off: float
    minimum: int = 1
    gap: int = 0
    cooldown: int = 0

    def __post_init__(self) -> None:
        require(
            self.off <= self.on,
            f"event threshold off = {self.off} with on = {self.on}; give an off of at most on",
        )
        require(self.minimum >= 1, f"event minimum is {self.minimum} frames; give 1 or more")
        for name in ("gap", "cooldown"):
            value = getattr(self, name)
            require(value >= 0, f"event {name} is {value} frames; give 0 or more")


@dataclass(frozen=True)
class Event:
    """A stretch of frames that the operator is told of."""

    start: int  # first frame
    end: int  # frame after the last active one
    peak: int  # frame with the highest score, the first of several
    score: float  # of that frame
    alarm: int  # frame at which it became an event: the `minimum`-th active one


class EventFinder:
    """The state machine of a `Rule`: scores in, events out, one frame at a time."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._frame = 0  # the next one
        self._rest = 0  # before this frame no event starts
        self._open: Event | None = None  # with end = last active frame + 1
        self._active = 0  # active frames of it

    @property
    def rising(self) -> Event | None:
        """The active frames that go on, an event yet or not; None where there are none."""
        return self._open

    @property
    def current(self) -> Event | None:
        """The event that goes on, as far as it is known; None before its alarm."""
        return self._open if self._active >= self.rule.minimum else None

    def push(self, score: float) -> Event | None:
        """Take in the next frame's score; returns the event that is now known to have ended.

        That is known once more than `gap` frames in a row are not active.
        """
        frame = self._frame
        self._frame += 1
        if self._is_active(frame, score):
            self._extend(frame, score)
        elif self._open and frame - self._open.end >= self.rule.gap:
            return self._close()
        return None

    def finish(self) -> Event | None:
        """End of a clip: the event that goes on, if any. Frames are numbered on, all else anew."""
        event = self._close()
        self._rest = 0
        return event

    def _is_active(self, frame: int, score: float) -> bool:
        if self._open is None:
            return frame >= self._rest and score >= self.rule.on
        return score >= (self.rule.off if self._open.end == frame else self.rule.on)

    def _extend(self, frame: int, score: float) -> None:
        self._active += 1
        event = self._open or Event(frame, frame, frame, score, frame)
        if score > event.score:
            event = replace(event, peak=frame, score=score)
        alarm = frame if self._active <= self.rule.minimum else event.alarm
        self._open = replace(event, end=frame + 1, alarm=alarm)

    def _close(self) -> Event | None:
        event = self.current
        self._open, self._active = None, 0
        if event:
            self._rest = event.end + self.rule.cooldown
        return event


def find_events(
    scores: np.ndarray, rule: Rule, clip_lengths: Sequence[int] | np.ndarray | None = None
) -> list[Event]:
    """Events in scores (N,), in order; none reaches from one clip into the next.

    Args:
        scores: (N,) larger = more anomalous; NaN where a frame has no score.
        rule: When scores make an event.
        clip_lengths: Frames of each clip, numbered through; one clip where None.

    Raises:
        DmadError: A score is infinite, or the lengths do not sum to N.
    """
    check_finite(scores)
    finder = EventFinder(rule)
    found = []
    for clip in split_clips(scores, clip_lengths):
        found += [*map(finder.push, clip.tolist()), finder.finish()]
    return [event for event in found if event]
