"""Event metrics: false alarms per hour, recall and detection delay of an alarm rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from dmad.calibration.alarms import AlarmRule, Event, find_events
from dmad.data.series import intervals, split_clips
from dmad.errors import require
from dmad.evaluation.metrics import top_scores

CONFIDENCE = 0.9  # probability that an interval contains the true value


@dataclass(frozen=True)
class AlarmMetrics:
    """How good the alarms of an alarm rule are, measured on labelled footage."""

    false_per_hour: float  # false alarms per hour of normal footage; NaN: no normal footage
    recall: float  # share of true events that were found, in [0, 1]; NaN: no true events
    delay_s: float  # median seconds from the start of a found event to its alarm; NaN: none
    true_events: int
    found_events: int  # true events that overlap a detected event
    false_events: int  # detected events without an abnormal frame
    normal_hours: float  # duration of the normal frames that have a score

    @property
    def false_interval(self) -> tuple[float, float]:
        """The exact 90 % confidence interval (low, high) of `false_per_hour` (Poisson).

        Both values are NaN if there is no normal footage.
        """
        if not self.normal_hours:
            return np.nan, np.nan
        count, outside = self.false_events, (1 - CONFIDENCE) / 2
        low = stats.chi2.ppf(outside, 2 * count) / 2 if count else 0.0
        high = stats.chi2.ppf(1 - outside, 2 * count + 2) / 2
        return float(low / self.normal_hours), float(high / self.normal_hours)


def alarm_metrics(
    scores: np.ndarray,
    labels: np.ndarray,
    clip_lengths: Sequence[int] | np.ndarray | None,
    rule: AlarmRule,
    fps: float,
) -> AlarmMetrics:
    """Return false alarms, recall and delay of a rule.

    A true event is a stretch of consecutive abnormal frames in a clip. At least one of these frames
    must have a score. A detected event is an event that the rule finds in the scores. The delay of
    a true event is the time from its first frame to the alarm of the first detected event that
    overlaps it. The delay includes the frames for which the rule waits before it raises the alarm
    (see `AlarmRule`). If the alarm came before the true event, the delay is 0.

    Args:
        scores: (N,) larger = more anomalous; NaN if a frame has no score.
        labels: (N,) 1 = abnormal.
        clip_lengths: Number of frames of each clip. None: there is one clip.
        rule: When an event starts and ends.
        fps: Frames per second.

    Raises:
        DmadError: The lengths differ, a score is infinite, or `fps` is not above 0.
    """
    require(len(scores) == len(labels), f"{len(scores)} scores for {len(labels)} labels")
    require(fps > 0, f"{fps} frames per second; give a number above 0")
    abnormal = np.asarray(labels, bool)
    events = find_events(scores, rule, clip_lengths)
    true_events = labelled_events(scores, labels, clip_lengths)
    delays = []
    for start, end in true_events:
        delay = _delay(start, end, events)
        if delay is not None:
            delays.append(delay)
    false_events = len(false_alarms(events, abnormal))
    normal_hours = float((~np.isnan(scores) & ~abnormal).sum() / fps / 3600)
    return AlarmMetrics(
        false_per_hour=false_events / normal_hours if normal_hours else np.nan,
        recall=len(delays) / len(true_events) if true_events else np.nan,
        delay_s=float(np.median(delays)) / fps if delays else np.nan,
        true_events=len(true_events),
        found_events=len(delays),
        false_events=false_events,
        normal_hours=normal_hours,
    )


def labelled_events(
    scores: np.ndarray,
    labels: np.ndarray,
    clip_lengths: Sequence[int] | np.ndarray | None,
) -> list[tuple[int, int]]:
    """Return the first frame and the frame after the last one of each true event.

    True events without any score are left out. The arguments are those of `alarm_metrics`.
    """
    scored = ~np.isnan(scores)
    return [
        (int(frames[first]), int(frames[last - 1]) + 1)
        for frames in split_clips(np.arange(len(labels)), clip_lengths)
        for first, last in intervals(np.asarray(labels, bool)[frames])
        if scored[frames[first] : frames[last - 1] + 1].any()
    ]


def missed_events(
    true_events: Sequence[tuple[int, int]], events: Sequence[Event]
) -> list[tuple[int, int]]:
    """Return the true events that overlap no detected event."""
    return [
        (start, end)
        for start, end in true_events
        if not any(event.start < end and event.end > start for event in events)
    ]


def false_alarms(events: Sequence[Event], labels: np.ndarray) -> list[Event]:
    """Return the detected events without an abnormal frame."""
    return [event for event in events if not np.any(labels[event.start : event.end])]


def _delay(start: int, end: int, events: list[Event]) -> int | None:
    """Return the delay of a true event in frames; None if no detected event overlaps it."""
    alarms = [event.alarm for event in events if event.start < end and event.end > start]
    return max(min(alarms) - start, 0) if alarms else None


@dataclass(frozen=True, eq=False)
class AlarmCurve:
    """Recall and false alarms at falling thresholds."""

    thresholds: np.ndarray  # (T,) falling
    false_per_hour: np.ndarray  # (T,) not always rising, because events merge at low thresholds
    recall: np.ndarray  # (T,) in [0, 1]


def alarm_curve(
    scores: np.ndarray,
    labels: np.ndarray,
    clip_lengths: Sequence[int] | np.ndarray | None,
    rule: AlarmRule,
    fps: float,
    points: int = 50,
) -> AlarmCurve:
    """Return recall and false alarms of `alarm_metrics` at several thresholds.

    The thresholds are scores at geometrically spaced ranks (`top_scores`). Each of them
    replaces `on`, the score at which the rule starts an event. The score `off`, down to which an
    event continues, is moved by the same amount as `on`.

    Args:
        scores: (N,) larger = more anomalous; NaN if a frame has no score.
        labels: (N,) 1 = abnormal.
        clip_lengths: Number of frames of each clip. None: there is one clip.
        rule: When an event starts and ends. Its thresholds are replaced.
        fps: Frames per second.
        points: Largest number of thresholds.

    Raises:
        DmadError: The lengths differ, a score is infinite, or `fps` is not above 0.
    """
    thresholds = top_scores(scores, points)
    distance = rule.on - rule.off
    metrics = []
    for threshold in thresholds.tolist():
        rule_here = replace(rule, on=threshold, off=threshold - distance)
        metrics.append(alarm_metrics(scores, labels, clip_lengths, rule_here, fps))
    return AlarmCurve(
        thresholds=thresholds,
        false_per_hour=np.array([each.false_per_hour for each in metrics]),
        recall=np.array([each.recall for each in metrics]),
    )
