"""Thresholds that need no anomaly: from normal footage held out of training, and a budget.

Clips differ more than the frames of one do. So each clip is standardised by the others, the pooled
scores hold the scatter between clips, and false alarms are counted in them with the very rule that
raises the alarms later. Beyond what the footage can show, the tail is extrapolated, and said so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmad.calibration.budget import Budget
from dmad.calibration.held_out import HeldOut
from dmad.calibration.hysteresis import Rule, find_events
from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.calibration.tails import Rates, count_events, sort_shares
from dmad.config import plain
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require

FEW_CLIPS = 5  # below it, a warning

DRAWS = 200  # of the bootstrap


@dataclass(frozen=True)
class AlarmShape:
    """What counts as one alarm, whatever the frame rate.

    Args:
        smoothing: Seconds of the past over which scores are averaged; 0 does not smooth.
        hysteresis: An alarm ends this share of the threshold below it, so that it does not flicker.
        minimum: Seconds it must last; shorter ones are noise.
        gap: Seconds below that end within it, so that someone behind a tree is one alarm.
        cooldown: Seconds after it in which no other begins.
    """

    smoothing: float = 0.8
    hysteresis: float = 0.2
    minimum: float = 0.2
    gap: float = 1.0
    cooldown: float = 2.0

    def __post_init__(self) -> None:
        for name in ("smoothing", "minimum", "gap", "cooldown"):
            value = getattr(self, name)
            require(value >= 0, f"{name} is {value} s; give 0 or more")
        share = self.hysteresis
        require(0 <= share < 1, f"hysteresis is {share}; give a share of at least 0, below 1")

    @classmethod
    def of(cls, calibration: Calibration) -> AlarmShape:
        """That of a threshold set before."""
        rule, fps = calibration.rule, calibration.fps
        share = (rule.on - rule.off) / abs(rule.on) if rule.on else 0.0
        counts = (rule.minimum, rule.gap, rule.cooldown)
        return cls(calibration.scorer.window / fps, share, *(count / fps for count in counts))

    def window(self, fps: float) -> int:
        """Frames that are averaged."""
        return max(1, round(self.smoothing * fps))

    def rule(self, threshold: float, fps: float) -> Rule:
        """The rule in frames."""
        off = threshold - self.hysteresis * abs(threshold)
        frames = {name: round(getattr(self, name) * fps) for name in ("minimum", "gap", "cooldown")}
        return Rule(threshold, off, max(1, frames["minimum"]), frames["gap"], frames["cooldown"])


FRAME_BY_FRAME = AlarmShape(0, 0, 0, 0, 0)  # for images


@dataclass(frozen=True)
class Calibration:
    """A threshold and all that it takes to use it."""

    scorer: Scorer  # raw terms to scores
    rule: Rule  # scores to events, in frames; `rule.on` is the threshold
    budget: Budget  # what it was chosen for
    fps: float  # of the held-out footage
    interval: tuple[float, float]  # 90 % bootstrap interval of the threshold
    margin: float  # what the threshold was raised by because clips are few, within it
    frames: int  # held out, with a score
    clips: int  # they came from
    observed: int  # events, frames or images of the held-out footage at the threshold
    warnings: tuple[str, ...]  # one plain sentence each
    scene: str = ""  # the view it was set for, as `dmad predict` names it
    zone: Zone = ALL  # the part of it that counted

    @property
    def threshold(self) -> float:
        """Scores from here on begin an event."""
        return self.rule.on

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        tree: dict[str, Any] = plain(self)
        return tree

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> Calibration:
        """From what `to_dict` made."""
        scorer = dict(tree["scorer"])
        for term in ("reconstruction", "deformation"):
            scorer[term] = Standardisation(**scorer[term])
        low, high = tree["interval"]
        built = {
            "scorer": Scorer(**scorer),
            "rule": Rule(**tree["rule"]),
            "budget": Budget(**tree["budget"]),
            "interval": (low, high),
            "warnings": tuple(tree["warnings"]),
            "zone": Zone.from_dict(tree["zone"]) if tree.get("zone") else ALL,
        }
        return cls(**tree | built)


def read_calibration(path: Path, scene: str | None = None) -> Calibration:
    """From the file that `dmad calibrate --out` wrote; of a view, where one is named.

    Raises:
        DmadError: There is none, or it is of another view, and so of another template.
    """
    require(path.is_file(), f"{path} is no file; give one that `dmad calibrate --out` wrote")
    try:
        found = Calibration.from_dict(json.loads(path.read_text()))
    except (OSError, AttributeError, ValueError, TypeError, KeyError) as error:
        raise DmadError(f"{path} is no calibration; `dmad calibrate --out` writes one") from error
    named = f"--scene {found.scene}" if found.scene else "no --scene"
    require(scene in (None, found.scene), f"{path} was set with {named}; give the same here")
    return found


def calibrate(
    reconstruction: np.ndarray,
    deformation: np.ndarray,
    clip_lengths: np.ndarray,
    fps: float,
    budget: Budget | str,
    shape: AlarmShape | None = None,
    weight: float = 0.5,
    seed: int = 0,
) -> Calibration:
    """Choose the lowest threshold whose false alarms on fresh normal footage keep to the budget.

    Args:
        reconstruction: (N,) raw first term of Eq. 14 of normal footage held out of training; NaN
            where a frame has no score.
        deformation: (N,) raw second term, before α.
        clip_lengths: Frames of each clip, (K,), summing to N. A budget per image takes each frame
            as an image by itself, and neither clips, `fps` nor `shape` count.
        fps: Frames a second.
        budget: "1/day", "2/hour", "0.001/frame", "0.01/image", or a `Budget`.
        shape: What counts as one alarm; the defaults of `AlarmShape` where None.
        weight: Of the standardised deformation beside a reconstruction of weight 1.
        seed: Of the bootstrap.

    Raises:
        DmadError: Fewer than two frames with a score, lengths that do not fit, fps not above 0.
    """
    budget = Budget.parse(budget)
    shape, image = shape or AlarmShape(), budget.unit == "image"
    if image:
        clip_lengths, fps, shape = np.ones(len(reconstruction), int), 1.0, FRAME_BY_FRAME
    held = HeldOut(reconstruction, deformation, clip_lengths, fps)
    pooled = held.pooled(weight, shape.window(fps))
    rates = rates_of(held, pooled, budget, shape)
    margin = 0.0 if image else held.margin(pooled)
    level = rates.level(budget.rate, np.ones(rates.blocks, int))
    low, high = bootstrap(rates, budget.rate, seed)
    rule = shape.rule(level + margin, fps)
    return Calibration(
        Scorer.fit(reconstruction, deformation, weight, shape.window(fps)),
        rule,
        budget,
        fps,
        (min(low, level), max(high, level) + margin),
        margin,
        held.frames,
        held.clips,
        exceeding(pooled, rule, budget, clip_lengths),
        tuple(warnings_of(held, pooled, rates, budget, margin)),
    )


def rates_of(held: HeldOut, pooled: np.ndarray, budget: Budget, shape: AlarmShape) -> Rates:
    """What the budget counts, as a function of the level."""
    if not budget.counts_events:
        return sort_shares(pooled, held.block)

    def rule_at(level: float) -> Rule:
        return shape.rule(level, held.fps)

    return count_events(pooled, held.clip_lengths, held.block, rule_at, held.fps, budget.rate)


def bootstrap(rates: Rates, rate: float, seed: int) -> tuple[float, float]:
    """The middle 90 % of the levels that footage drawn anew, block by block, would have led to."""
    draw = np.random.default_rng(seed).multinomial
    even = np.full(rates.blocks, 1 / rates.blocks)
    levels = [rates.level(rate, draw(rates.blocks, even)) for _ in range(DRAWS)]
    low, high = np.quantile(levels, (0.05, 0.95))
    return float(low), float(high)


def exceeding(pooled: np.ndarray, rule: Rule, budget: Budget, clip_lengths: np.ndarray) -> int:
    """Events, or frames, of pooled scores at a threshold."""
    if budget.counts_events:
        return len(find_events(pooled, rule, clip_lengths))
    return int((pooled >= rule.on).sum())


def warnings_of(
    held: HeldOut, pooled: np.ndarray, rates: Rates, budget: Budget, margin: float
) -> list[str]:
    """What a user must know about a threshold, one sentence each."""
    found, image = [], budget.unit == "image"
    expected = rates.expected(budget.rate, np.ones(rates.blocks, int))
    if expected < rates.enough:
        size = rates.enough / budget.rate
        has, needs = (
            (lasting(held.hours), lasting(size))
            if budget.counts_events
            else (f"{held.frames} {budget.unit}s", f"{size:.0f} {budget.unit}s")
        )
        kind = "" if image else " of normal footage"
        found.append(
            f"{has}{kind} hold {expected:.2g} false alarms at a budget of {budget}, so "
            f"the threshold is extrapolated; hold out {needs} to measure it"
        )
    if not image and held.clips < FEW_CLIPS:
        raised = f", and the threshold is raised by {margin:.2g} for it" if margin > 0 else ""
        found.append(
            f"clips held out: {held.clips}; how much clips differ is hardly known from so few"
            f"{raised}; hold out {FEW_CLIPS} or more"
        )
    if np.ptp(pooled[held.known]) == 0:
        found.append("every held-out frame has the same score; check that the footage moves")
    return found


def lasting(hours: float) -> str:
    """A duration for people."""
    for unit, length in (("h", 1.0), ("min", 1 / 60)):
        if hours >= 2 * length:
            return f"{hours / length:.3g} {unit}"
    return f"{3600 * hours:.3g} s"
