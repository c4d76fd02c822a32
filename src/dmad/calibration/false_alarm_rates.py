"""Rates of false alarms on normal footage, and the score level that gives a wanted rate.

A level is a score that may become the threshold. `EventRates` counts events per hour. `ShareRates`
measures the share of frames or images. If the footage is too short to measure a rate, the level is
extrapolated. `RateCurve` gives the rate at a level.

The bootstrap draws blocks of the footage at random. A block is a clip, or a part of a clip if there
are few clips. `draws` (blocks,) is the number of times that each block is used. Without the
bootstrap, each block is used once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmad.calibration.alarms import AlarmRule, AlarmShape, find_events
from dmad.calibration.held_out import HeldOut
from dmad.calibration.tails import pareto_excess

LEVELS = 32  # levels at which events are counted
SHARE_ABOVE_LOWEST_LEVEL = 0.25  # of the frames
BOOTSTRAP_FACTOR = 4  # the bootstrap needs levels with this many times the events of the budget
LEVEL_ABOVE_ALL = 0.05  # distance of the highest level from the highest score
RATES_TRIED = 41  # by `RateCurve`
TAIL_EVENTS = 30  # number of events to which a tail is fitted, if the footage has so many


@dataclass(frozen=True, eq=False)
class EventRates:
    """Counts of events on normal footage, and the score level for a given rate of events."""

    blocks: int  # number of blocks of the footage
    hours: np.ndarray  # (blocks,) duration of each block
    levels: np.ndarray  # (G,) falling, standardised units
    counts: np.ndarray  # (G, blocks) number of events at each level
    tail: float  # level above which the tail of the distribution is fitted
    peaks: np.ndarray  # (P,) peak scores of the events at the level `tail`
    peak_blocks: np.ndarray  # (P,) block of each peak
    enough: float = 10.0  # levels with fewer expected events than this are extrapolated

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Return how many events the footage contains if it has `rate` events per hour.

        `draws` (blocks,) says how often each block of the footage is used.
        """
        return rate * float(draws @ self.hours)

    def level(self, rate: float, draws: np.ndarray) -> float:
        """Return the lowest level at which at most `rate` events per hour are expected.

        The peak of an event is its highest score. At a level just above the (k + 1)-th highest
        peak, this footage has k events. At this level, new footage of the same duration is expected
        to have k + 1 events. So one is added to every count. If fewer than `enough` events are
        expected, the level is extrapolated with a tail that is fitted to the highest peaks.
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
    """Count the events of footage at several levels. The alarm settings say what an event is.

    Args:
        held_out: The footage.
        scores: (N,) its standardised scores; NaN if a frame has no score.
        shape: The settings of an alarm.
        rate: The budget in events per hour. Levels with far more events are left out.
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
    last = int(np.flatnonzero(total == total.max())[-1])  # at lower levels, events merge
    tail = int(np.argmax(total >= TAIL_EVENTS)) if total[last] >= TAIL_EVENTS else last
    tail_frames = peaks[tail]
    if total[last] == 0:  # no event is long enough: use the highest frame
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
    """Return (P,): for each event of `find_events`, the index of the frame with the highest score.

    This function is faster than `find_events`, because it skips frames whose scores are too low to
    affect an event.
    """
    influence = rule.gap + rule.cooldown + 2  # number of frames that an active frame affects
    kept = np.convolve(scores >= rule.off, np.ones(influence))[: len(scores)] > 0.5
    clip_ends = np.cumsum(clip_lengths)
    kept_before = np.append(0, np.cumsum(kept))
    kept_lengths = np.diff(kept_before[np.append(0, clip_ends)])
    events = find_events(scores[kept], rule, kept_lengths)
    return np.flatnonzero(kept)[[event.peak for event in events]]


def candidate_levels(scores: np.ndarray) -> np.ndarray:
    """Return the levels (G,) at which events are counted.

    The levels fall from just above the highest score to the upper quartile of the scores.
    """
    shares = np.geomspace(1 / max(len(scores), 8), SHARE_ABOVE_LOWEST_LEVEL, LEVELS)
    levels = np.unique(np.quantile(scores, 1 - shares))[::-1]
    return np.append(scores.max() + LEVEL_ABOVE_ALL, levels[levels > np.median(scores)])


@dataclass(frozen=True, eq=False)
class ShareRates:
    """Scores of normal frames or images, and the score level that a given share of them reaches."""

    blocks: int  # number of blocks of the footage
    scores: np.ndarray  # (N,) falling
    score_blocks: np.ndarray  # (N,) block of each score
    enough: float = 1.0  # levels with fewer expected frames than this are extrapolated

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Return how many frames or images are expected to reach the level for a share `rate`.

        This is `rate` x (number of frames + 1). `draws` (blocks,) says how often each block of the
        footage is used.
        """
        return rate * (int(draws[self.score_blocks].sum()) + 1)

    def level(self, rate: float, draws: np.ndarray) -> float:
        """Return the level for a share `rate`: the split-conformal quantile of the scores.

        A new frame or image reaches this level with a probability of at most `rate`. If there are
        too few frames, the level is above all scores. The level is then extrapolated from the
        highest tenth of the scores.
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


@dataclass(frozen=True, eq=False)
class RateCurve:
    """Rates of false alarms at some thresholds. Between thresholds, rates are interpolated."""

    levels: np.ndarray  # (R,) the thresholds, rising
    rates: np.ndarray  # (R,) falling

    @classmethod
    def measure(cls, rates: FalseAlarmRates, near: float) -> RateCurve:
        """Return the curve for rates from `near` / 10,000 to `near` x 10,000.

        `rates.level` gives the threshold for each of these rates.
        """
        every_block = np.ones(rates.blocks, int)
        tried = near * np.geomspace(1e4, 1e-4, RATES_TRIED)
        if isinstance(rates, ShareRates):
            tried = tried[tried < 1]
        levels = np.maximum.accumulate([rates.level(rate, every_block) for rate in tried])
        return cls(levels, tried)

    def rate(self, level: float) -> float:
        """Return the rate of false alarms if the threshold is `level`."""
        return float(np.exp(np.interp(level, self.levels, np.log(self.rates))))


def sort_scores(scores: np.ndarray, block_index: np.ndarray) -> ShareRates:
    """Return the `ShareRates` of scores (N,). `block_index` (N,) is the block of each score."""
    scored = np.isfinite(scores)
    order = np.argsort(-scores[scored], kind="stable")
    return ShareRates(
        blocks=int(block_index.max()) + 1,
        scores=scores[scored][order],
        score_blocks=block_index[scored][order],
    )


def just_above(score: float) -> float:
    """Return the smallest number above a score: a threshold that this score does not reach.

    This also works on processors that round very small numbers to 0.
    """
    return float(max(np.nextafter(score, np.inf), score + np.finfo(float).tiny))
