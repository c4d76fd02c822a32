"""Choosing the threshold for a budget of false alarms, from normal footage only.

Two clips differ more than two frames of one clip. So each held-out clip is standardised on the
other clips. False alarms are counted in these scores, with the rule that raises alarms later. If
the footage is too short for the budget, the threshold is extrapolated, and a warning reports it.
"""

from __future__ import annotations

import numpy as np

from dmad.calibration.alarms import (
    DEFAULT_SHAPE,
    SINGLE_IMAGES,
    AlarmRule,
    AlarmShape,
    find_events,
)
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.false_alarm_rates import FalseAlarmRates, count_events, sort_scores
from dmad.calibration.held_out import HeldOut
from dmad.calibration.standardisation import Scorer

FEW_CLIPS = 5  # with fewer, a warning is given
DRAWS = 200  # of the bootstrap


def choose_threshold(
    held_out: HeldOut,
    budget: Budget | str,
    shape: AlarmShape = DEFAULT_SHAPE,
    weight: float = 0.5,
    seed: int = 0,
) -> Calibration:
    """Return the lowest threshold that keeps the budget of false alarms on new normal footage.

    Args:
        held_out: Raw terms of normal footage. For a budget per image, every frame is an image, and
            clips and frame rate are not used.
        budget: "1/day", "2/hour", "0.001/frame", "0.01/image", or a `Budget`.
        shape: The settings of an alarm. A budget per image does not use them.
        weight: Weight of the standardised deformation; the reconstruction has weight 1.
        seed: Seed of the bootstrap.
    """
    budget = Budget.parse(budget)
    is_image = budget.unit == "image"
    if is_image:
        held_out, shape = held_out.as_images(), SINGLE_IMAGES
    window = shape.window(held_out.fps)
    scores = held_out.cross_scores(weight, window)
    rates = false_alarm_rates(held_out, scores, budget, shape)
    margin = 0.0 if is_image else held_out.few_clips_margin(scores)
    level = rates.level(budget.rate, np.ones(rates.blocks, int))
    low, high = bootstrap_interval(rates, budget.rate, seed)
    rule = shape.rule(level + margin, held_out.fps)
    return Calibration(
        scorer=Scorer.fit(held_out.reconstruction, held_out.deformation, weight, window),
        rule=rule,
        budget=budget,
        fps=held_out.fps,
        interval=(min(low, level), max(high, level) + margin),
        margin=margin,
        frames=held_out.scored_frames,
        clips=held_out.scored_clips,
        observed=count_alarms(scores, rule, budget, held_out.clip_lengths),
        warnings=tuple(threshold_warnings(held_out, scores, rates, budget, margin)),
    )


def false_alarm_rates(
    held_out: HeldOut, scores: np.ndarray, budget: Budget, shape: AlarmShape
) -> FalseAlarmRates:
    """Return the rates that a budget limits: events per hour, or a share of frames or images."""
    if budget.counts_events:
        return count_events(held_out, scores, shape, budget.rate)
    return sort_scores(scores, held_out.block_index)


def bootstrap_interval(rates: FalseAlarmRates, rate: float, seed: int) -> tuple[float, float]:
    """Return the 90 % bootstrap interval of the level: blocks are drawn at random."""
    random = np.random.default_rng(seed)
    probabilities = np.full(rates.blocks, 1 / rates.blocks)
    levels = [
        rates.level(rate, random.multinomial(rates.blocks, probabilities)) for _ in range(DRAWS)
    ]
    low, high = np.quantile(levels, (0.05, 0.95))
    return float(low), float(high)


def count_alarms(
    scores: np.ndarray, rule: AlarmRule, budget: Budget, clip_lengths: np.ndarray
) -> int:
    """Return the number of events, or of frames at or above the threshold."""
    if budget.counts_events:
        return len(find_events(scores, rule, clip_lengths))
    return int((scores >= rule.on).sum())


def threshold_warnings(
    held_out: HeldOut, scores: np.ndarray, rates: FalseAlarmRates, budget: Budget, margin: float
) -> list[str]:
    """Return the warnings about a threshold, one sentence each."""
    warnings = []
    expected = rates.expected(budget.rate, np.ones(rates.blocks, int))
    if expected < rates.enough:
        size = rates.enough / budget.rate
        if budget.counts_events:
            footage, needed = duration(held_out.hours), duration(size)
        else:
            footage = f"{held_out.scored_frames} {budget.unit}s"
            needed = f"{size:.0f} {budget.unit}s"
        kind = "" if budget.unit == "image" else " of normal footage"
        warnings.append(
            f"the budget {budget} allows {expected:.2g} false alarms in {footage}{kind}, too few "
            f"to measure the threshold, so it is extrapolated; hold out {needed} to measure it"
        )
    if budget.unit != "image" and held_out.scored_clips < FEW_CLIPS:
        raised = f", so the threshold is raised by {margin:.2g}" if margin > 0 else ""
        warnings.append(
            f"clips held out: {held_out.scored_clips}, too few to show how much clips differ"
            f"{raised}; hold out {FEW_CLIPS} or more"
        )
    if np.ptp(scores[held_out.scored]) == 0:
        warnings.append("every held-out frame has the same score; check that the footage moves")
    return warnings


def duration(hours: float) -> str:
    """Return a duration as text in hours, minutes or seconds."""
    for unit, length in (("h", 1.0), ("min", 1 / 60)):
        if hours >= 2 * length:
            return f"{hours / length:.3g} {unit}"
    return f"{3600 * hours:.3g} s"
