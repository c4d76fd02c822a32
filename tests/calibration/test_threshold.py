"""Thresholds from normal footage, on simulated scores whose false-alarm rate is known."""

from functools import cache

import numpy as np
import pytest
from scipy import signal, stats

from dmad.calibration.alarms import AlarmRule, AlarmShape
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.false_alarm_rates import event_peaks
from dmad.calibration.held_out import HeldOut
from dmad.calibration.synthetic import SyntheticTerms
from dmad.calibration.threshold import (
    DRAWS,
    LEAST_ROOM,
    OPTIONS,
    bootstrap_interval,
    calibration_of,
    choose_threshold,
    count_alarms,
    duration,
    false_alarm_rates,
    gather,
)
from dmad.errors import DmadError

FPS = 10.0


def footage(seed: int, clips: int, frames: int, scatter: float = 0.5) -> HeldOut:
    """Autocorrelated gamma scores (AR(1) of 0.9), each clip with an offset of its own."""
    random = np.random.default_rng(seed)
    noise = random.normal(scale=0.19**0.5, size=(2, clips, frames + 50))
    smooth = signal.lfilter([1], [1, -0.9], noise)[..., 50:]
    grid = np.linspace(-6, 6, 1000)
    terms = np.interp(smooth, grid, stats.gamma.ppf(stats.norm.cdf(grid), 2))
    terms += scatter * random.normal(size=(1, clips, 1))
    terms[..., :4] = np.nan
    return HeldOut(terms[0].ravel(), terms[1].ravel(), np.full(clips, frames), FPS)


def images(seed: int, count: int) -> HeldOut:
    first, second = np.random.default_rng(seed).gamma(2, size=(2, count))
    return HeldOut(first, second, np.array([count]), 25.0)


def scores_of(calibration: Calibration, clips: HeldOut) -> np.ndarray:
    return calibration.score(clips.reconstruction, clips.deformation, clips.clip_lengths)


@cache
def new_footage() -> HeldOut:
    return footage(999, 60, 600)


def realised_rate(calibration: Calibration) -> float:
    """False alarms per hour on new normal footage."""
    new = new_footage()
    alarms = event_peaks(scores_of(calibration, new), calibration.rule, new.clip_lengths)
    return len(alarms) / new.hours


@pytest.mark.parametrize("budget", [60, 20, 6])
def test_thresholds_from_hours_of_many_clips_keep_the_budget(budget):
    chosen = [choose_threshold(footage(seed, 60, 1800), f"{budget}/hour") for seed in range(2)]
    rates = [realised_rate(calibration) for calibration in chosen]
    assert np.mean(rates) == pytest.approx(budget, rel=0.5)


@pytest.mark.parametrize("budget", [60, 6])
def test_thresholds_from_two_short_clips_mostly_keep_the_budget(budget):
    """Of thresholds from 30 s of footage, half or more keep the budget exactly (factor 1)."""
    chosen = [choose_threshold(footage(seed, 2, 150), f"{budget}/hour") for seed in range(11)]
    assert np.median([realised_rate(calibration) for calibration in chosen]) <= budget
    for calibration in chosen:
        assert any("so the threshold is an estimate" in one for one in calibration.warnings)
        assert any("2 clips do not show how much" in one for one in calibration.warnings)


def test_much_footage_gives_no_warnings():
    calibration = choose_threshold(footage(0, 10, 1800), "60/hour")
    assert calibration.warnings == ()
    low, high = calibration.interval
    assert low < calibration.threshold < high
    assert (calibration.clips, calibration.frames, calibration.fps) == (10, 17960, FPS)
    assert calibration.observed + 1 == pytest.approx(60 * 17960 / 36000, rel=0.4)


def test_a_single_clip_gives_a_threshold_and_a_warning():
    calibration = choose_threshold(footage(0, 1, 3000), "20/hour")
    assert np.isfinite(calibration.threshold)
    assert any("1 clip does not show how much" in one for one in calibration.warnings)


def test_fewer_false_alarms_need_a_higher_threshold():
    held_out = footage(1, 5, 1500)
    budgets = ("1/day", "1/hour", "10/hour", "60/hour", "100/hour", "500/hour")
    thresholds = [choose_threshold(held_out, budget).threshold for budget in budgets]
    assert np.all(np.diff(thresholds) < 0)


def test_24_per_day_is_1_per_hour():
    held_out = footage(2, 3, 600)
    day, hour = (choose_threshold(held_out, budget) for budget in ("24/day", "1/hour"))
    assert day.rule == hour.rule


def test_few_clips_raise_the_threshold_and_its_interval_more_than_many():
    two = choose_threshold(footage(3, 2, 1500), "6/hour")
    many = choose_threshold(footage(3, 30, 100), "6/hour")
    assert two.margin > many.margin > 0
    assert two.interval[1] > two.threshold


def test_the_threshold_is_the_level_of_the_budget_if_scores_near_it_were_seen():
    held_out, shape = footage(11, 3, 3000), AlarmShape()
    calibration = choose_threshold(held_out, "60/hour")
    scores = held_out.cross_scores(0.5, shape.window(FPS))
    rates = false_alarm_rates(held_out, scores, calibration.budget, shape)
    level = rates.level(60.0, np.ones(rates.blocks, int))
    assert calibration.threshold == pytest.approx(level + calibration.margin)
    assert calibration.interval[0] <= calibration.threshold <= calibration.interval[1]


@pytest.mark.parametrize("seed", range(5))
def test_little_footage_gives_no_threshold_far_above_its_scores(seed):
    calibration = choose_threshold(footage(seed, 2, 100, scatter=3.0), "1/day")
    largest = calibration.largest
    assert largest == pytest.approx(
        np.nanmax(scores_of(calibration, footage(seed, 2, 100, scatter=3.0)))
    )
    assert calibration.threshold <= largest + max(largest, LEAST_ROOM)
    assert calibration.interval[1] > calibration.threshold


def synthetic(size: float) -> SyntheticTerms:
    """Two plain anomalies and one that is not, whose terms have this size."""
    terms = np.full((3, 12), size)
    kinds = np.array(["speed", "size", "speed"])
    return SyntheticTerms(terms, terms, kinds, np.array([True, True, False]))


def test_a_threshold_that_misses_plain_anomalies_gives_the_first_warning():
    held_out = footage(3, 5, 1500)
    small, large = (choose_threshold(held_out, "6/hour", synthetic=synthetic(s)) for s in (3, 90))
    assert small.threshold == large.threshold
    assert small.warnings[0].startswith(
        f"the threshold {small.threshold:.3g} misses 2 of 2 clearly visible "
        "synthetic anomalies, most of them of the kinds size, speed"
    )
    assert not any("misses" in warning for warning in large.warnings)
    found = "the threshold finds 0 of 2 clearly visible and 0 of 1 faint synthetic anomalies"
    assert found in " ".join(small.warnings)
    assert [option.found for option in small.options] == [0.0] * 5
    assert [option.found for option in large.options] == [1.0] * 5


def test_the_options_show_fewer_false_alarms_at_higher_thresholds():
    calibration = choose_threshold(footage(3, 5, 1500), "20/hour")
    options = calibration.options
    assert [option.threshold for option in options] == [
        factor * calibration.threshold for factor in OPTIONS
    ]
    assert np.all(np.diff([option.false_alarms for option in options]) < 0)
    assert options[2].false_alarms == pytest.approx(20, rel=0.1)
    assert options[2].observed == calibration.observed


def test_a_threshold_by_hand_is_kept_and_a_lowest_one_too():
    evidence = gather(footage(3, 5, 600), "6/hour")
    by_hand = calibration_of(evidence, 1.5, lowest=9.0)
    assert (by_hand.threshold, by_hand.by_hand) == (1.5, True)
    assert calibration_of(evidence, lowest=90.0).threshold == 90.0


class CountingRates:
    """Rates whose level is the number of times it was asked for."""

    blocks = 4
    enough = 1.0

    def __init__(self):
        self.calls = 0

    def expected(self, rate, draws):
        return 1.0

    def level(self, rate, draws):
        self.calls += 1
        return float(self.calls)


def test_the_interval_contains_nine_of_ten_draws():
    expected = (1 + 0.05 * (DRAWS - 1), 1 + 0.95 * (DRAWS - 1))
    assert bootstrap_interval(CountingRates(), 1.0, 0) == pytest.approx(expected)


def test_the_interval_is_wider_for_less_footage():
    def width(clips: int) -> float:
        low, high = choose_threshold(footage(4, clips, 300), "60/hour").interval
        return high - low

    assert width(2) > 2 * width(60)


def test_a_share_of_frames_is_kept_on_new_footage():
    calibration = choose_threshold(footage(5, 30, 600), "0.01/frame")
    assert calibration.warnings == ()
    scores = scores_of(calibration, new_footage())
    assert (scores >= calibration.threshold).mean() == pytest.approx(0.01, rel=0.5)
    assert calibration.observed <= 0.01 * calibration.frames


def test_a_frame_at_the_threshold_counts():
    scores, budget = np.array([1.0, 2, 3]), Budget(0.1, "frame")
    assert count_alarms(scores, AlarmRule(2, 2), budget, np.array([3])) == 2


def test_a_budget_per_image_ignores_clips_and_time():
    calibration = choose_threshold(images(0, 300), "0.05/image")
    assert (calibration.clips, calibration.scorer.window, calibration.margin) == (300, 1, 0)
    threshold = calibration.threshold
    assert calibration.rule == AlarmRule(threshold, threshold, 1, 0, 0)
    assert calibration.warnings == ()
    scores = scores_of(calibration, images(1, 20_000))
    assert (scores >= threshold).mean() == pytest.approx(0.05, abs=0.03)


def test_few_images_give_a_warning():
    good = images(0, 40)
    calibration = choose_threshold(good, "0.001/image")
    assert calibration.threshold > scores_of(calibration, good).max()
    assert "40 images cannot show a rate of 0.001/image" in calibration.warnings[0]
    assert "959 images more are needed to be sure" in calibration.warnings[0]


@pytest.mark.parametrize("budget", ["1/day", "60/hour", "0.01/frame", "0.01/image"])
@pytest.mark.parametrize("lengths", [(400,), (200, 200), (3000, 3000)])
def test_constant_scores_raise_no_alarm(budget, lengths):
    count = sum(lengths)
    still = HeldOut(np.full(count, 2.0), np.zeros(count), np.array(lengths), FPS)
    calibration = choose_threshold(still, budget)
    assert calibration.threshold > 0
    assert calibration.observed == 0
    assert any("same score" in warning for warning in calibration.warnings)


def test_the_threshold_from_very_short_footage_is_above_all_its_scores():
    first, second = np.random.default_rng(0).gamma(2, size=(2, 6))
    calibration = choose_threshold(HeldOut(first, second, np.array([6]), FPS), "1/hour")
    assert calibration.threshold > calibration.largest > 0


def test_the_units_of_the_terms_do_not_matter():
    held_out = footage(6, 3, 300)
    scaled = HeldOut(
        100 * held_out.reconstruction, held_out.deformation / 100, held_out.clip_lengths, FPS
    )
    expected = choose_threshold(held_out, "60/hour").threshold
    assert choose_threshold(scaled, "60/hour").threshold == pytest.approx(expected)


def test_the_seed_changes_the_interval_only():
    held_out = footage(9, 3, 300)
    first, again, other = (choose_threshold(held_out, "1/hour", seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert other.threshold == first.threshold
    assert other.interval != first.interval


def test_the_rule_has_the_shape_that_false_alarms_were_counted_with():
    shape = AlarmShape(smoothing=0.3, hysteresis=0.5, minimum=0.4, gap=2, cooldown=3)
    held_out = footage(10, 4, 900)
    calibration = choose_threshold(held_out, "60/hour", shape)
    threshold = calibration.threshold
    assert calibration.rule == AlarmRule(threshold, 0.5 * threshold, 4, 20, 30)
    assert calibration.scorer.window == 3
    scores = scores_of(calibration, held_out)
    assert len(calibration.events(scores, held_out.clip_lengths)) <= 12


def test_a_duration_is_written_in_a_fitting_unit():
    assert [duration(hours) for hours in (5, 0.5, 0.01)] == ["5 h", "30 min", "36 s"]


def test_footage_without_scores_is_refused():
    empty = np.full(50, np.nan)
    with pytest.raises(DmadError, match="0 of 50 held-out frames have a score; give more"):
        choose_threshold(HeldOut(empty, empty, np.array([50]), FPS), "1/day")
