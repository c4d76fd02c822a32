"""Choosing the threshold for a budget of false alarms, from normal footage only.

Two clips differ more than two frames of one clip. So each held-out clip is standardised with the
median and deviation of the other clips. False alarms are counted in these scores, with the same
rule as for a live camera. If the footage is too short for the budget, the threshold is
extrapolated, but not far above the scores of the footage. A warning then gives the interval in
which the right threshold probably is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dmad.calibration.alarms import (
    DEFAULT_SHAPE,
    SINGLE_IMAGES,
    AlarmRule,
    AlarmShape,
)
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration, TradeOff
from dmad.calibration.false_alarm_rates import (
    FalseAlarmRates,
    RateCurve,
    count_events,
    event_peaks,
    sort_scores,
)
from dmad.calibration.held_out import HeldOut
from dmad.calibration.standardisation import Scorer
from dmad.calibration.synthetic import SyntheticTerms, missed_kinds

FEW_CLIPS = 5  # with fewer, a warning is given
DRAWS = 200  # of the bootstrap
LARGEST_FACTOR = 2.0  # an extrapolated threshold is at most this many times the largest score seen
LEAST_ROOM = 2.0  # it may always exceed the largest score by this much, in standardised units
FAR_ABOVE = 3.0  # a threshold above this many times the largest score gives a warning
OPTIONS = (0.6, 0.8, 1.0, 1.25, 1.6)  # thresholds to choose from, relative to the given threshold
GIVEN = OPTIONS.index(1.0)
ENOUGH_FOUND = 0.8  # share of the plain synthetic anomalies that a threshold must find


@dataclass(frozen=True)
class Evidence:
    """Held-out footage and its scores, from which a threshold is chosen.

    Args:
        held_out: The footage. For a budget per image, every frame is an image.
        budget: The accepted false alarms.
        shape: The settings of an alarm.
        weight: Weight of the standardised deformation; the reconstruction has weight 1.
        synthetic: Terms of synthetic anomalies. None: none could be made.
    """

    held_out: HeldOut
    budget: Budget
    shape: AlarmShape
    weight: float
    synthetic: SyntheticTerms | None = None

    @property
    def is_image(self) -> bool:
        """True if the budget is a share of images."""
        return self.budget.unit == "image"

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer for new footage, fitted to all clips."""
        held = self.held_out
        window = self.shape.window(held.fps)
        return Scorer.fit(held.reconstruction, held.deformation, self.weight, window)

    @cached_property
    def scores(self) -> np.ndarray:
        """Scores (N,) of the footage. Each clip is standardised with the other clips."""
        return self.held_out.cross_scores(self.weight, self.scorer.window)

    @cached_property
    def largest(self) -> float:
        """The largest score of the footage, computed with `scorer`, as for new footage."""
        held = self.held_out
        scores = self.scorer.score(held.reconstruction, held.deformation, held.clip_lengths)
        return float(np.nanmax(scores))

    @cached_property
    def rates(self) -> FalseAlarmRates:
        """The rates that the budget limits: events per hour, or a share of frames or images."""
        return false_alarm_rates(self.held_out, self.scores, self.budget, self.shape)

    @cached_property
    def rate_curve(self) -> RateCurve:
        """The rate of false alarms at every threshold."""
        return RateCurve.measure(self.rates, self.budget.rate)

    @cached_property
    def levels_found(self) -> np.ndarray | None:
        """(S,) for each synthetic anomaly, the highest threshold that finds it.

        None: there are no synthetic anomalies.
        """
        if self.synthetic is None:
            return None
        return self.synthetic.levels(self.scorer, self.shape, self.held_out.fps)

    @cached_property
    def level(self) -> float:
        """The score level that keeps the budget on this footage."""
        return self.rates.level(self.budget.rate, np.ones(self.rates.blocks, int))

    @cached_property
    def margin(self) -> float:
        """How much the threshold is raised because there are only a few clips; 0 for images."""
        return 0.0 if self.is_image else self.held_out.few_clips_margin(self.scores)

    @property
    def threshold(self) -> float:
        """The threshold that keeps the budget on new normal footage."""
        return limited(self.level + self.margin, self.largest)

    def trade_off(self, threshold: float) -> TradeOff:
        """Return the false alarms at a threshold, and the share of anomalies that it finds."""
        held, found = self.held_out, self.levels_found
        rule = self.shape.rule(threshold, held.fps)
        return TradeOff(
            threshold=threshold,
            false_alarms=self.rate_curve.rate(threshold),
            observed=count_alarms(self.scores, rule, self.budget, held.clip_lengths),
            found=None if found is None else float((found >= threshold).mean()),
        )

    def options(self, threshold: float) -> tuple[TradeOff, ...]:
        """Return the false alarms and the found anomalies at five thresholds.

        The given threshold has the index `GIVEN`.
        """
        return tuple(self.trade_off(factor * threshold) for factor in OPTIONS)


def choose_threshold(
    held_out: HeldOut,
    budget: Budget | str,
    shape: AlarmShape = DEFAULT_SHAPE,
    weight: float = 0.5,
    seed: int = 0,
    synthetic: SyntheticTerms | None = None,
) -> Calibration:
    """Return a calibration with the lowest threshold that keeps the budget on new normal footage.

    Args:
        held_out: Raw terms of normal footage. For a budget per image, every frame is an image, and
            clips and frame rate are not used.
        budget: "1/day", "2/hour", "0.001/frame", "0.01/image", or a `Budget`.
        shape: The settings of an alarm. A budget per image does not use them.
        weight: Weight of the standardised deformation; the reconstruction has weight 1.
        seed: Seed of the bootstrap.
        synthetic: Terms of synthetic anomalies. They do not change the threshold. A warning says if
            the threshold misses many of them.
    """
    return calibration_of(gather(held_out, budget, shape, weight, synthetic), seed=seed)


def gather(
    held_out: HeldOut,
    budget: Budget | str,
    shape: AlarmShape = DEFAULT_SHAPE,
    weight: float = 0.5,
    synthetic: SyntheticTerms | None = None,
) -> Evidence:
    """Return the footage and its scores, from which a threshold is chosen.

    The arguments are those of `choose_threshold`.
    """
    budget = Budget.parse(budget)
    if budget.unit == "image":
        held_out, shape = held_out.as_images(), SINGLE_IMAGES
    return Evidence(held_out, budget, shape, weight, synthetic)


def calibration_of(
    evidence: Evidence,
    threshold: float | None = None,
    lowest: float | None = None,
    seed: int = 0,
) -> Calibration:
    """Return the calibration for a given threshold, or for the threshold that keeps the budget.

    Args:
        evidence: The footage and its scores.
        threshold: A threshold that a user has chosen. None: the threshold that keeps the budget.
        lowest: Lower limit of the threshold, if `threshold` is None. Below this limit, alarms that
            were marked as normal come again.
        seed: Seed of the bootstrap.
    """
    held, budget = evidence.held_out, evidence.budget
    level, margin = evidence.level, evidence.margin
    low, high = bootstrap_interval(evidence.rates, budget.rate, seed)
    by_hand = threshold is not None
    chosen = evidence.threshold if threshold is None else threshold
    if lowest is not None and not by_hand:
        chosen = max(chosen, lowest)
    options = evidence.options(chosen)
    calibration = Calibration(
        scorer=evidence.scorer,
        rule=evidence.shape.rule(chosen, held.fps),
        budget=budget,
        fps=held.fps,
        interval=(min(low, level, chosen), max(high, level) + margin),
        margin=margin,
        frames=held.scored_frames,
        clips=held.scored_clips,
        observed=options[GIVEN].observed,
        warnings=(),
        largest=evidence.largest,
        options=options,
        lowest=lowest,
        by_hand=by_hand,
    )
    return replace(calibration, warnings=tuple(threshold_warnings(evidence, calibration)))


def limited(level: float, largest: float) -> float:
    """Return a score level, lowered if it is far above the largest score of the normal footage.

    With little footage, an extrapolated level can be far too high. Such a threshold would miss all
    anomalies, and nobody would notice.
    """
    return min(level, largest + max((LARGEST_FACTOR - 1) * largest, LEAST_ROOM))


def false_alarm_rates(
    held_out: HeldOut, scores: np.ndarray, budget: Budget, shape: AlarmShape
) -> FalseAlarmRates:
    """Return the rates that a budget limits: events per hour, or a share of frames or images."""
    if budget.counts_events:
        return count_events(held_out, scores, shape, budget.rate)
    return sort_scores(scores, held_out.block_index)


def bootstrap_interval(rates: FalseAlarmRates, rate: float, seed: int) -> tuple[float, float]:
    """Return the lower and upper end of an interval for the score level that gives a rate.

    The interval contains the right level with a probability of 90 %. It is computed by a bootstrap,
    which draws random blocks of the footage.
    """
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
    """Return the number of false alarms.

    A false alarm is an event if the budget counts events. Otherwise, it is a frame or an image at
    or above the threshold.
    """
    if budget.counts_events:
        return len(event_peaks(scores, rule, clip_lengths))
    return int((scores >= rule.on).sum())


def threshold_warnings(evidence: Evidence, calibration: Calibration) -> list[str]:
    """Return the warnings about a threshold, one sentence each. The first is the most serious."""
    warnings = [
        *far_above_warnings(calibration.threshold, calibration.largest),
        *missed_warnings(evidence, calibration.threshold),
        *size_warnings(evidence, calibration),
    ]
    if np.ptp(evidence.scores[evidence.held_out.scored]) == 0:
        warnings.append("every held-out frame has the same score; check that the footage moves")
    return warnings


def far_above_warnings(threshold: float, largest: float | None) -> list[str]:
    """Return a warning if a threshold is far above all scores of the normal footage."""
    if largest is None or threshold <= FAR_ABOVE * max(largest, 0.0):
        return []
    return [
        f"the threshold {threshold:.3g} is more than {FAR_ABOVE:g} times the largest score of the "
        f"normal footage ({largest:.3g}), so it may miss clearly visible anomalies"
    ]


def missed_warnings(evidence: Evidence, threshold: float) -> list[str]:
    """Return a warning if a threshold misses clearly visible synthetic anomalies."""
    synthetic, levels = evidence.synthetic, evidence.levels_found
    if synthetic is None or levels is None or not synthetic.plain.any():
        return []
    plain = levels[synthetic.plain] >= threshold
    if plain.mean() >= ENOUGH_FOUND:
        return []
    kinds = missed_kinds(synthetic, levels >= threshold)
    most = f", most of them of the kinds {', '.join(kinds)}" if kinds else ""
    return [
        f"the threshold {threshold:.3g} misses {np.sum(~plain)} of {len(plain)} clearly visible "
        f"synthetic anomalies{most}; a lower one finds more, but has more false alarms: "
        "dmad calibrate --threshold"
    ]


def found_text(evidence: Evidence, threshold: float) -> str:
    """Return text that says how many synthetic anomalies are found; "" if there are none."""
    synthetic, levels = evidence.synthetic, evidence.levels_found
    if synthetic is None or levels is None:
        return ""
    parts = []
    for kind, chosen in (("clearly visible", synthetic.plain), ("faint", ~synthetic.plain)):
        if chosen.any():
            parts.append(f"{np.sum(levels[chosen] >= threshold)} of {chosen.sum()} {kind}")
    return f"; the threshold finds {' and '.join(parts)} synthetic anomalies"


def size_warnings(evidence: Evidence, calibration: Calibration) -> list[str]:
    """Return warnings if there is too little footage, or if there are too few clips."""
    held, budget, rates = evidence.held_out, evidence.budget, evidence.rates
    warnings = []
    expected = rates.expected(budget.rate, np.ones(rates.blocks, int))
    if expected < rates.enough and not calibration.by_hand:
        missing = (rates.enough - expected) / budget.rate
        if budget.counts_events:
            footage, needed = f"{duration(held.hours)} of normal footage", duration(missing)
        else:
            footage = f"{held.scored_frames} {budget.unit}s"
            needed = f"{np.ceil(missing):.0f} {budget.unit}s"
        low, high = calibration.interval
        warnings.append(
            f"{footage} cannot show a rate of {budget}, so the threshold is an estimate: the right "
            f"threshold is between {low:.3g} and {high:.3g} (90 %); {needed} more are needed to be "
            "sure"
            f"{found_text(evidence, calibration.threshold)}"
        )
    if not evidence.is_image and held.scored_clips < FEW_CLIPS:
        clips = "1 clip does" if held.scored_clips == 1 else f"{held.scored_clips} clips do"
        warnings.append(
            f"{clips} not show how much clips differ; calibrate with {FEW_CLIPS} or more"
        )
    return warnings


def duration(hours: float) -> str:
    """Return a duration as text in hours, minutes or seconds."""
    for unit, length in (("h", 1.0), ("min", 1 / 60)):
        if hours >= 2 * length:
            return f"{hours / length:.3g} {unit}"
    return f"{3600 * hours:.3g} s"
