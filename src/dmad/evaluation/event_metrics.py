"""From frame scores to events, frame by frame, and what the alarms are worth to an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmad.calibration.alarms import Event, AlarmRule, find_events
from dmad.data.series import runs, split_clips
from dmad.errors import require
from dmad.evaluation.metrics import top_scores


@dataclass(frozen=True)
class Alarms:
    """What a rule is worth on labelled footage. A true event is a run of abnormal frames."""

    false_per_hour: float  # false events per hour of normal footage; NaN without any
    recall: float  # share of true events that an event overlaps, in [0, 1]; NaN without any
    delay_s: float  # median time from a found event's start to its first alarm; NaN without any
    true_events: int
    found: int  # true events that an event overlaps
    false_events: int  # events that touch no abnormal frame
    normal_hours: float  # of normal frames that have a score


def judge_events(
    scores: np.ndarray,
    labels: np.ndarray,
    clip_lengths: Sequence[int] | np.ndarray | None,
    rule: AlarmRule,
    fps: float,
) -> Alarms:
    """False alarms, recall and delay of a rule.

    A true event is a run of abnormal frames in a clip, at least one of which has a score. Its delay
    is the time from its first frame to the frame at which the first event that overlaps it gave
    the alarm, so it includes the `minimum` frames that confirm an event; it is 0 where an alarm
    was already on.

    Args:
        scores: (N,) larger = more anomalous; NaN where a frame has no score.
        labels: (N,) 1 = abnormal.
        clip_lengths: Frames of each clip; one clip where None.
        rule: When scores make an event.
        fps: Frames per second.

    Raises:
        DmadError: Lengths differ, a score is infinite, or `fps` is not above 0.
    """
    require(len(scores) == len(labels), f"{len(scores)} scores for {len(labels)} labels")
    require(fps > 0, f"{fps} frames per second; give a number above 0")
    abnormal = np.asarray(labels, bool)
    known = ~np.isnan(scores)
    events = find_events(scores, rule, clip_lengths)
    truth = [run for run in _runs(abnormal, clip_lengths) if known[slice(*run)].any()]
    delays = [_delay(run, events) for run in truth]
    found = [delay for delay in delays if delay is not None]
    false = sum(not abnormal[event.start : event.end].any() for event in events)
    hours = float((known & ~abnormal).sum() / fps / 3600)
    return Alarms(
        false_per_hour=false / hours if hours else np.nan,
        recall=len(found) / len(truth) if truth else np.nan,
        delay_s=float(np.median(found)) / fps if found else np.nan,
        true_events=len(truth),
        found=len(found),
        false_events=false,
        normal_hours=hours,
    )


def _runs(
    abnormal: np.ndarray, clip_lengths: Sequence[int] | np.ndarray | None
) -> list[tuple[int, int]]:
    """First frame and frame after the last of each run of abnormal frames in a clip."""
    clips = split_clips(np.arange(len(abnormal)), clip_lengths)
    return [
        (int(clip[start]), int(clip[stop - 1]) + 1)
        for clip in clips
        for start, stop in runs(abnormal[clip])
    ]


def _delay(run: tuple[int, int], events: list[Event]) -> int | None:
    """Frames from the start of a true event to its first alarm; None where no event overlaps."""
    alarms = [event.alarm for event in events if event.start < run[1] and event.end > run[0]]
    return max(min(alarms) - run[0], 0) if alarms else None


@dataclass(frozen=True)
class AlarmCurve:
    """Recall against false alarms, as the threshold falls."""

    thresholds: np.ndarray  # (T,) of `Rule.on`, falling
    false_per_hour: np.ndarray  # (T,) need not rise steadily: events merge
    recall: np.ndarray  # (T,) in [0, 1]


def alarm_curve(
    scores: np.ndarray,
    labels: np.ndarray,
    clip_lengths: Sequence[int] | np.ndarray | None,
    rule: AlarmRule,
    fps: float,
    points: int = 50,
) -> AlarmCurve:
    """`judge_events` at `points` thresholds or fewer: scores at geometrically spaced ranks.

    `off` keeps its distance from `on`, so where they differ the curve depends on the scores' scale.

    Args:
        scores: (N,) larger = more anomalous; NaN where a frame has no score.
        labels: (N,) 1 = abnormal.
        clip_lengths: Frames of each clip; one clip where None.
        rule: When scores make an event, but for its thresholds.
        fps: Frames per second.
        points: Largest number of thresholds.

    Raises:
        DmadError: As `judge_events`.
    """
    thresholds = top_scores(scores, points)
    rules = [replace(rule, on=on, off=on - (rule.on - rule.off)) for on in thresholds.tolist()]
    alarms = [judge_events(scores, labels, clip_lengths, rule, fps) for rule in rules]
    return AlarmCurve(
        thresholds,
        np.array([item.false_per_hour for item in alarms]),
        np.array([item.recall for item in alarms]),
    )
