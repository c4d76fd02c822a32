"""Alarms: their settings, and the rule that turns scores into events, frame by frame."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmad.data.series import check_finite, split_clips
from dmad.errors import require


@dataclass(frozen=True)
class AlarmRule:
    """Says when an event starts and ends. Every decision uses the present and past frames only.

    A frame is active if its score is at or above `on`. A frame directly after an active frame is
    also active if its score is at or above `off`. Active frames with at most `gap` inactive frames
    between them belong to the same event. The event raises its alarm at its `minimum`-th active
    frame. With fewer active frames, there is no event. No event starts in the `cooldown` frames
    after the end of an event. If the score is still at or above `on` after that time, a new event
    starts. A frame without a score (NaN) is not active.

    Args:
        on: Score at or above which an event starts: the threshold.
        off: Score at or above which an event continues, at most `on`.
        minimum: Number of active frames that an event needs, at least 1.
        gap: Number of inactive frames in a row that do not end an event.
        cooldown: Number of frames after an event's last active frame in which no event starts.
    """

    on: float
    off: float
    minimum: int = 1
    gap: int = 0
    cooldown: int = 0

    def __post_init__(self) -> None:
        require(
            self.off <= self.on,
            f"an event starts at score on = {self.on} and continues from score off = {self.off}; "
            "give an off of at most on",
        )
        require(self.minimum >= 1, f"event minimum is {self.minimum} frames; give 1 or more")
        for name in ("gap", "cooldown"):
            value = getattr(self, name)
            require(value >= 0, f"event {name} is {value} frames; give 0 or more")


@dataclass(frozen=True)
class AlarmShape:
    """The settings of an alarm, in seconds, so that they do not depend on the frame rate.

    Args:
        smoothing: Seconds of the past over which scores are averaged. 0 does not smooth.
        hysteresis: Share of the threshold. An alarm continues until the score falls below the
            threshold by more than this share. At 0.2, the alarm continues while the score is at
            least 80 % of the threshold.
        minimum: Seconds that an alarm must last; shorter alarms are dropped.
        gap: Longest pause in an alarm, in seconds. In a pause, the score is lower than `hysteresis`
            allows. If the score reaches the threshold again within this time, the alarm continues.
        cooldown: Seconds after an alarm in which no other alarm starts.
    """

    smoothing: float = 0.8
    hysteresis: float = 0.2
    minimum: float = 0.2
    gap: float = 1.0
    cooldown: float = 2.0

    def __post_init__(self) -> None:
        for name in ("smoothing", "minimum", "gap", "cooldown"):
            value = getattr(self, name)
            require(0 <= value < np.inf, f"{name} is {value} s; give 0 or more, but not infinite")
        share = self.hysteresis
        require(0 <= share < 1, f"hysteresis is {share}; give a share of at least 0, below 1")

    def window(self, fps: float) -> int:
        """Number of frames over which scores are averaged, at least 1."""
        return max(1, round(self.smoothing * fps))

    def rule(self, threshold: float, fps: float) -> AlarmRule:
        """Return the alarm rule for a threshold, with times in frames instead of seconds."""
        return AlarmRule(
            on=threshold,
            off=threshold - self.hysteresis * abs(threshold),
            minimum=max(1, round(self.minimum * fps)),
            gap=round(self.gap * fps),
            cooldown=round(self.cooldown * fps),
        )


DEFAULT_SHAPE = AlarmShape()

# Every image at or above the threshold is an event.
SINGLE_IMAGES = AlarmShape(smoothing=0, hysteresis=0, minimum=0, gap=0, cooldown=0)


@dataclass(frozen=True)
class Event:
    """Frames of one clip, without a break, that are reported as one alarm."""

    start: int  # first frame
    end: int  # frame after the last active one
    peak: int  # frame with the highest score; the first one if several have it
    score: float  # score of the peak
    alarm: int  # frame at which the alarm was raised: the `minimum`-th active one


class EventFinder:
    """Finds events while scores arrive, one frame at a time."""

    def __init__(self, rule: AlarmRule) -> None:
        self.rule = rule
        self._frame = 0  # index of the next frame
        self._earliest_start = 0  # first frame at which an event may start
        self._candidate: Event | None = None  # its end is the last active frame + 1
        self._active_frames = 0  # number of active frames of the candidate

    @property
    def candidate(self) -> Event | None:
        """The event in progress, even if it has not raised its alarm yet. None: no event."""
        return self._candidate

    @property
    def current(self) -> Event | None:
        """The event in progress, if it has raised its alarm; else None.

        The end and the peak of the event may still change.
        """
        return self._candidate if self._active_frames >= self.rule.minimum else None

    def add_score(self, score: float) -> Event | None:
        """Add the score of the next frame.

        Returns:
            The event that has just ended, if it had raised its alarm; else None. An event ends when
            more than `gap` frames in a row are inactive.
        """
        frame = self._frame
        self._frame += 1
        if self._is_active(frame, score):
            self._extend(frame, score)
        elif self._candidate and frame - self._candidate.end >= self.rule.gap:
            return self._close()
        return None

    def end_clip(self) -> Event | None:
        """End the clip. Frame numbers continue in the next clip, but events do not.

        Returns:
            The event that ended with the clip, if it had raised its alarm; else None.
        """
        event = self._close()
        self._earliest_start = 0
        return event

    def _is_active(self, frame: int, score: float) -> bool:
        if self._candidate is None:
            return frame >= self._earliest_start and score >= self.rule.on
        previous_was_active = self._candidate.end == frame
        return score >= (self.rule.off if previous_was_active else self.rule.on)

    def _extend(self, frame: int, score: float) -> None:
        self._active_frames += 1
        event = self._candidate or Event(frame, frame, frame, score, frame)
        if score > event.score:
            event = replace(event, peak=frame, score=score)
        if self._active_frames <= self.rule.minimum:
            event = replace(event, alarm=frame)
        self._candidate = replace(event, end=frame + 1)

    def _close(self) -> Event | None:
        event = self.current
        self._candidate, self._active_frames = None, 0
        if event:
            self._earliest_start = event.end + self.rule.cooldown
        return event


def find_events(
    scores: np.ndarray, rule: AlarmRule, clip_lengths: Sequence[int] | np.ndarray | None = None
) -> list[Event]:
    """Return the events of whole clips, in order. The end of a clip also ends its event.

    Args:
        scores: (N,) larger = more anomalous; NaN if a frame has no score.
        rule: When an event starts and ends.
        clip_lengths: Number of frames of each clip; their sum is N. None: there is one clip. The
            frame numbers of events start at 0 in the first clip and continue in the next clips.

    Raises:
        DmadError: A score is infinite, or the lengths do not sum to N.
    """
    check_finite(scores)
    finder = EventFinder(rule)
    events: list[Event | None] = []
    for clip in split_clips(scores, clip_lengths):
        events += [finder.add_score(score) for score in clip.tolist()]
        events.append(finder.end_clip())
    return [event for event in events if event]


def frames_in_events(count: int, events: Sequence[Event]) -> np.ndarray:
    """Return a bool array (count,) that is True for the frames of events."""
    inside = np.zeros(count, bool)
    for event in events:
        inside[event.start : event.end] = True
    return inside


def highest_alarm_level(
    scores: np.ndarray,
    shape: AlarmShape,
    fps: float,
    clip_lengths: Sequence[int] | np.ndarray | None = None,
) -> float:
    """Return the highest threshold at which scores (N,) raise an alarm.

    The result is -inf if they raise no alarm at any threshold.

    Args:
        scores: Larger = more anomalous; NaN if a frame has no score.
        shape: The settings of an alarm.
        fps: Frames per second.
        clip_lengths: Number of frames of each clip. None: there is one clip.
    """
    known = np.unique(scores[np.isfinite(scores)])
    # At each of these levels, a score equals `on` or `off`. Between levels, events stay the same.
    share = np.where(known > 0, 1 - shape.hysteresis, 1 + shape.hysteresis)
    levels = np.unique(np.concatenate((known, known / share)))
    silent = bisect_left(
        range(len(levels)),
        True,
        key=lambda index: (
            not find_events(scores, shape.rule(float(levels[index]), fps), clip_lengths)
        ),
    )
    return float(levels[silent - 1]) if silent else -np.inf
