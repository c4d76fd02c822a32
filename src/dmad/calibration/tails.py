"""How often normal footage rises above a level: counted where it can be, extrapolated beyond.

Everything here takes pooled scores of normal footage and finds the level that is exceeded at a
wanted rate. `Events` counts alarms an hour, `Shares` counts frames or images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

from dmad.calibration.hysteresis import Rule, find_events

LEVELS = 32  # levels at which events are counted

BODY = 0.25  # share of the frames above the lowest of them

MORE = 4  # times the wanted events are counted, so that the bootstrap has room

TAIL = 30  # events to which a tail is fitted, where there are as many

FEW = 20  # events below which the tail is exponential

HEAVIEST = 0.5  # largest shape of a generalised Pareto tail

LEAST = 0.05  # smallest mean excess of a tail, in standardised units


class Rates(Protocol):
    """Finds the level that normal footage exceeds at a wanted rate."""

    @property
    def blocks(self) -> int:
        """Stretches of footage to draw from."""

    @property
    def enough(self) -> float:
        """Expected exceedances from which a level is counted, below which extrapolated."""

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Exceedances that the footage would hold at this rate."""

    def level(self, rate: float, draws: np.ndarray) -> float:
        """The lowest level exceeded no more often than that."""


@dataclass(frozen=True)
class Events:
    """Events of normal footage as a function of the level."""

    blocks: int
    hours: np.ndarray  # (blocks,)
    levels: np.ndarray  # (G,), falling, standardised units
    counts: np.ndarray  # (G, blocks): events at each level
    tail: float  # the level above which a tail is fitted
    peaks: np.ndarray  # (P,): peaks of the events at that level
    origin: np.ndarray  # (P,): block of each
    enough: float = 10.0  # fewer scatter too much to be counted

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Events that the footage would hold at `rate` an hour; `draws` (blocks,) of each block."""
        return rate * float(draws @ self.hours)

    def level(self, rate: float, draws: np.ndarray) -> float:
        """The lowest level with an expected rate of at most `rate` events an hour.

        At the level just above the k + 1st highest peak of footage, k events are counted, and
        k + 1 are to be expected of fresh footage as long; so one is added to every count. From
        the level that is last counted on, the fitted tail goes on.
        """
        counts = np.maximum.accumulate(self.counts @ draws) + 1
        expected, last = self.expected(rate, draws), min(self.enough, counts[-1])
        level = float(np.interp(np.log(max(expected, last)), np.log(counts), self.levels))
        excess = np.repeat(self.peaks, draws[self.origin]) - self.tail
        further, reached = ((len(excess) + 1) / value for value in (min(expected, last), last))
        return level + pareto_excess(excess, further) - pareto_excess(excess, reached)


def count_events(
    scores: np.ndarray,
    clip_lengths: np.ndarray,
    block: np.ndarray,
    rule_at: Callable[[float], Rule],
    fps: float,
    rate: float,
) -> Events:
    """Count the events of footage at falling levels, with the rule that is used later.

    Args:
        scores: (N,) standardised, NaN where there is none.
        clip_lengths: (K,) frames.
        block: (N,) stretch of footage each frame belongs to, from 0.
        rule_at: The event rule with its threshold at a level.
        fps: Frames a second.
        rate: Events an hour that will be asked for; much lower levels are left out.
    """
    known = np.isfinite(scores)
    blocks = int(block.max()) + 1
    hours = np.bincount(block[known], minlength=blocks) / fps / 3600
    levels = levels_of(scores[known])
    enough = max(TAIL, MORE * rate * hours.sum())
    peaks: list[np.ndarray] = []
    while len(peaks) < len(levels) and (not peaks or len(peaks[-1]) < enough):
        peaks.append(event_peaks(scores, rule_at(levels[len(peaks)]), clip_lengths))
    counts = np.array([np.bincount(block[peak], minlength=blocks) for peak in peaks])
    total = counts.sum(1)
    most = int(np.flatnonzero(total == total.max())[-1])  # below, events only merge
    tail = int(np.argmax(total >= TAIL)) if total[most] >= TAIL else most
    upto, found = slice(most + 1), peaks[tail]
    if not total[most]:  # nothing lasts long enough: the highest frame stands for one event
        found = np.array([np.nanargmax(scores)])
    return Events(
        blocks, hours, levels[upto], counts[upto], levels[tail], scores[found], block[found]
    )


def event_peaks(scores: np.ndarray, rule: Rule, clip_lengths: np.ndarray) -> np.ndarray:
    """Frames (P,) of the peaks of events, skipping stretches too quiet to change what is found."""
    reach = rule.gap + rule.cooldown + 2  # frames after an active one in which its past matters
    kept = np.convolve(scores >= rule.off, np.ones(reach))[: len(scores)] > 0.5
    ends = np.cumsum(clip_lengths)
    lengths = np.diff(np.append(0, np.cumsum(kept))[np.append(0, ends)])
    events = find_events(scores[kept], rule, lengths)
    return np.flatnonzero(kept)[[event.peak for event in events]]


def just_above(score: float) -> float:
    """The next number, but none so small that a processor may take it for zero."""
    return float(max(np.nextafter(score, np.inf), score + np.finfo(float).tiny))


def levels_of(scores: np.ndarray) -> np.ndarray:
    """Levels (G,) from above the highest score down to the upper quartile."""
    shares = np.geomspace(1 / max(len(scores), 8), BODY, LEVELS)
    levels = np.unique(np.quantile(scores, 1 - shares))[::-1]
    return np.append(scores.max() + LEAST, levels[levels > np.median(scores)])


@dataclass(frozen=True)
class Shares:
    """Normal frames or images as a function of the level."""

    blocks: int
    scores: np.ndarray  # (N,), falling
    origin: np.ndarray  # (N,): block of each
    enough: float = 1.0  # below, no finite level is sure

    def expected(self, rate: float, draws: np.ndarray) -> float:
        """Frames that the footage, and one frame more, would hold at a share of `rate`."""
        return rate * (int(draws[self.origin].sum()) + 1)

    def level(self, rate: float, draws: np.ndarray) -> float:
        """The split-conformal quantile: a fresh frame exceeds it with probability `rate` or less.

        Where there are too few frames for it, the tail of the highest tenth, above them all.
        """
        scores = np.repeat(self.scores, draws[self.origin])
        expected = self.expected(rate, draws)
        if expected >= self.enough:
            return just_above(scores[int(expected) - 1])
        count = min(max(len(scores) // 10, 1), len(scores) - 1)
        excess = scores[:count] - scores[count]
        level = float(scores[count]) + pareto_excess(excess, (count + 1) / expected)
        return max(level, just_above(scores[0]))


def sort_shares(scores: np.ndarray, block: np.ndarray) -> Shares:
    """`Shares` of scores (N,) with NaN where there is none; `block` as in `count_events`."""
    known = np.isfinite(scores)
    order = np.argsort(-scores[known], kind="stable")
    return Shares(int(block.max()) + 1, scores[known][order], block[known][order])


def pareto_excess(excess: np.ndarray, ratio: float) -> float:
    """The excess that a fitted generalised Pareto tail exceeds once in `ratio` times.

    Fitted by probability-weighted moments; the shape lies between 0 (exponential; taken as such
    with few excesses) and `HEAVIEST`, so that no finite end is ever assumed.

    Args:
        excess: (P,) heights above the level where the tail begins, 0 or more.
        ratio: 1 or more.
    """
    mean = max(float(excess.mean()), LEAST) if len(excess) else LEAST
    shape = pareto_shape(excess) if len(excess) >= FEW else 0.0
    return float(stats.genpareto.isf(min(1 / ratio, 1.0), shape, scale=mean * (1 - shape)))


def pareto_shape(excess: np.ndarray) -> float:
    """Shape of a generalised Pareto tail by probability-weighted moments, within its bounds."""
    rank = (np.arange(len(excess)) + 0.65) / len(excess)
    first, second = excess.mean(), (np.sort(excess) * (1 - rank)).mean()
    spread = first - 2 * second
    return float(np.clip(2 - first / spread, 0, HEAVIEST)) if spread > 0 else 0.0
