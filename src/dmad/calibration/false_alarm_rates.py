"""How often normal footage exceeds a level, and the level that it exceeds at a given rate.

Rates are counted as far as the footage allows and extrapolated beyond. `EventRates` counts events
per hour, `ShareRates` the share of frames or images. Both take `draws` (blocks,): how often each
block of the footage counts. It is all 1 for the footage, and a random draw for the bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmad.calibration.alarms import AlarmRule, AlarmShape, find_events
from dmad.calibration.held_out import HeldOut
from dmad.calibration.tails import SMALLEST_MEAN, pareto_excess

LEVELS = 32  # levels at which events are counted
SHARE_ABOVE_LOWEST_LEVEL = 0.25  # of the frames
BOOTSTRAP_FACTOR = 4  # events are counted up to this many times the budget, for the bootstrap
TAIL_EVENTS = 30  # events to which a tail is fitted, if there are as many


@dataclass(frozen=True)
class EventRates:
    """Events per hour of normal footage."""

    blocks: int  # number of blocks of the footage
    hours: np.ndarray  # (blocks,) duration of each block
    levels: np.ndarray  # (G,) falling, standardised units
    counts: np.ndarray  # (G, blocks) number of events at each level
    tail: float  # level above which a tail is fitted
    peaks: np.ndarray  # (P,) peak scores of the events at that level
    peak_blocks: np.ndarray  # (P,) block of each peak
    enough: float = 10.0  # expected events needed to measure a level; with fewer, extrapolate

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Return how many events the footage contains at `rate` events per hour."""
        return rate * float(draws @ self.hours)

    def level(self, rate: float, draws: np.ndarray) -> float:
        """Return the lowest level with at most `rate` expected events per hour.

        Just above the k + 1st highest peak of the footage, k events are counted. New footage of
        the same duration is expected to contain k + 1, so every count is raised by one. Beyond the
        last level that can be counted, the fitted tail continues.
        """
        counts = np.maximum.accumulate(self.counts @ draws) + 1
        expected = self.expected(rate, draws)
        fewest_counted = min(self.enough, counts[-1])
        counted = max(expected, fewest_counted)
        level = float(np.interp(np.log(counted), np.log(counts), self.levels))
        excess = np.repeat(self.peaks, draws[self.peak_blocks]) - self.tail
        wanted_ratio = (len(excess) + 1) / min(expected, fewest_counted)
        counted_ratio = (len(excess) + 1) / fewest_counted
        return level + pareto_excess(excess, wanted_ratio) - pareto_excess(excess, counted_ratio)


def count_events(
    held_out: HeldOut, scores: np.ndarray, shape: AlarmShape, rate: float
) -> EventRates:
    """Count the events of footage at falling levels, by the rule that will raise the alarms.

    Args:
        held_out: The footage.
        scores: (N,) its standardised scores; NaN if a frame has no score.
        shape: What counts as one alarm.
        rate: Events per hour of the budget. Levels with far more events are left out.
    """
    block_index = held_out.block_index
    scored = np.isfinite(scores)
    blocks = int(block_index.max()) + 1
    hours = np.bincount(block_index[scored], minlength=blocks) / held_out.fps / 3600
    levels = candidate_levels(scores[scored])
    enough = max(TAIL_EVENTS, BOOTSTRAP_FACTOR * rate * hours.sum())
    peaks: list[np.ndarray] = []
    for level in levels.tolist():
        rule = shape.rule(level, held_out.fps)
        peaks.append(event_peaks(scores, rule, held_out.clip_lengths))
        if len(peaks[-1]) >= enough:
            break
    counts = np.array([np.bincount(block_index[frames], minlength=blocks) for frames in peaks])
    total = counts.sum(1)
    last = int(np.flatnonzero(total == total.max())[-1])  # below this level, events only merge
    tail = int(np.argmax(total >= TAIL_EVENTS)) if total[last] >= TAIL_EVENTS else last
    tail_frames = peaks[tail]
    if total[last] == 0:  # no event is long enough: the highest frame stands for one
        tail_frames = np.array([np.nanargmax(scores)])
    return EventRates(
        blocks=blocks,
        hours=hours,
        levels=levels[: last + 1],
        counts=counts[: last + 1],
        tail=levels[tail],
        peaks=scores[tail_frames],
        peak_blocks=block_index[tail_frames],
    )


def event_peaks(scores: np.ndarray, rule: AlarmRule, clip_lengths: np.ndarray) -> np.ndarray:
    """Return the peak frames (P,) of all events, as `find_events` does, but faster.

    Stretches that are too quiet to change any event are skipped.
    """
    influence = rule.gap + rule.cooldown + 2  # frames for which an active frame matters
    kept = np.convolve(scores >= rule.off, np.ones(influence))[: len(scores)] > 0.5
    clip_ends = np.cumsum(clip_lengths)
    kept_before = np.append(0, np.cumsum(kept))
    kept_lengths = np.diff(kept_before[np.append(0, clip_ends)])
    events = find_events(scores[kept], rule, kept_lengths)
    return np.flatnonzero(kept)[[event.peak for event in events]]


def candidate_levels(scores: np.ndarray) -> np.ndarray:
    """Return levels (G,) that fall from above the highest score to the upper quartile."""
    shares = np.geomspace(1 / max(len(scores), 8), SHARE_ABOVE_LOWEST_LEVEL, LEVELS)
    levels = np.unique(np.quantile(scores, 1 - shares))[::-1]
    return np.append(scores.max() + SMALLEST_MEAN, levels[levels > np.median(scores)])


@dataclass(frozen=True)
class ShareRates:
    """Share of normal frames or images at or above a level."""

    blocks: int  # number of blocks of the footage
    scores: np.ndarray  # (N,) falling
    score_blocks: np.ndarray  # (N,) block of each score
    enough: float = 1.0  # expected frames needed to measure a level; with fewer, extrapolate

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Return how many frames exceed the level at a share of `rate`, one new frame included."""
        return rate * (int(draws[self.score_blocks].sum()) + 1)

    def level(self, rate: float, draws: np.ndarray) -> float:
        """Return the split-conformal quantile: a new frame exceeds it with probability <= `rate`.

        With too few frames for that, the tail of the highest tenth is extrapolated; the level is
        then above all scores.
        """
        scores = np.repeat(self.scores, draws[self.score_blocks])
        expected = self.expected(rate, draws)
        if expected >= self.enough:
            return just_above(scores[int(expected) - 1])
        count = min(max(len(scores) // 10, 1), len(scores) - 1)
        excess = scores[:count] - scores[count]
        level = float(scores[count]) + pareto_excess(excess, (count + 1) / expected)
        return max(level, just_above(scores[0]))


FalseAlarmRates = EventRates | ShareRates


def sort_scores(scores: np.ndarray, block_index: np.ndarray) -> ShareRates:
    """Return the share rates of scores (N,), NaN left out, in blocks (N,)."""
    scored = np.isfinite(scores)
    order = np.argsort(-scores[scored], kind="stable")
    return ShareRates(
        blocks=int(block_index.max()) + 1,
        scores=scores[scored][order],
        score_blocks=block_index[scored][order],
    )


def just_above(score: float) -> float:
    """Return the next larger number, but none so small that a processor takes it for zero."""
    return float(max(np.nextafter(score, np.inf), score + np.finfo(float).tiny))
