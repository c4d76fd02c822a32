"""Thresholds from normal footage, on simulated scores whose truth is known."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import signal, stats

from dmad.calibration.budget import Budget
from dmad.calibration.held_out import HeldOut
from dmad.calibration.hysteresis import Rule, find_events
from dmad.calibration.tails import event_peaks
from dmad.calibration.threshold import (
    DRAWS,
    AlarmShape,
    Calibration,
    bootstrap,
    calibrate,
    exceeding,
    lasting,
    rates_of,
)
from dmad.errors import DmadError

FPS = 10.0
Footage = tuple[np.ndarray, np.ndarray, np.ndarray]


def footage(seed: int, clips: int, frames: int, scatter: float = 0.5) -> Footage:
    """Autocorrelated gamma scores (AR(1) of 0.9), each clip with an offset of its own."""
    random = np.random.default_rng(seed)
    noise = random.normal(scale=0.19**0.5, size=(2, clips, frames + 50))
    smooth = signal.lfilter([1], [1, -0.9], noise)[..., 50:]
    grid = np.linspace(-6, 6, 1000)
    terms = np.interp(smooth, grid, stats.gamma.ppf(stats.norm.cdf(grid), 2))
    terms += scatter * random.normal(size=(1, clips, 1))
    terms[..., :4] = np.nan
    return terms[0].ravel(), terms[1].ravel(), np.full(clips, frames)


@cache
def fresh() -> Footage:
    return footage(999, 60, 600)


def realised(found: Calibration) -> float:
    """False alarms an hour on fresh normal footage."""
    reconstruction, deformation, lengths = fresh()
    scores = found.scorer(reconstruction, deformation, lengths)
    alarms = event_peaks(scores, found.rule, lengths)
    return len(alarms) / (np.isfinite(scores).sum() / FPS / 3600)


@pytest.mark.parametrize("budget", [60, 20, 6])
def test_hours_of_many_clips_keep_the_promise(budget):
    rates = [realised(calibrate(*footage(s, 60, 1800), FPS, f"{budget}/hour")) for s in range(2)]
    assert np.mean(rates) == pytest.approx(budget, rel=0.5)


@pytest.mark.parametrize("budget", [60, 6])
def test_two_short_clips_promise_too_little_rather_than_too_much(budget):
    """30 s in all: half of the thresholds or more keep the budget outright (factor 1)."""
    found = [calibrate(*footage(seed, 2, 150), FPS, f"{budget}/hour") for seed in range(11)]
    assert np.median([realised(item) for item in found]) <= budget
    for item in found:
        assert any("extrapolated; hold out" in warning for warning in item.warnings)
        assert any("clips held out: 2" in warning for warning in item.warnings)


def test_much_footage_has_no_warnings():
    found = calibrate(*footage(0, 10, 1800), FPS, "60/hour")
    assert found.warnings == ()
    low, high = found.interval
    assert low < found.threshold < high
    assert found.margin < 0.2
    assert (found.clips, found.frames, found.fps) == (10, 17960, FPS)
    assert found.observed + 1 == pytest.approx(60 * 17960 / 36000, rel=0.4)


def test_one_clip_is_calibrated_and_warned_of():
    found = calibrate(*footage(0, 1, 3000), FPS, "20/hour")
    assert np.isfinite(found.threshold)
    assert any("clips held out: 1" in warning for warning in found.warnings)


def test_rarer_alarms_need_higher_thresholds():
    held = footage(1, 5, 1500)
    budgets = ("1/day", "1/hour", "10/hour", "60/hour", "100/hour", "500/hour")
    thresholds = [calibrate(*held, FPS, budget).threshold for budget in budgets]
    assert np.all(np.diff(thresholds) < 0)


def test_a_day_is_24_hours():
    held = footage(2, 3, 600)
    day, hour = (calibrate(*held, FPS, budget) for budget in ("24/day", "1/hour"))
    assert day.rule == hour.rule


def test_few_clips_raise_the_threshold():
    two, many = footage(3, 2, 1500), footage(3, 30, 100)
    assert calibrate(*two, FPS, "6/hour").margin > calibrate(*many, FPS, "6/hour").margin > 0


def test_the_threshold_is_raised_by_the_margin():
    terms, shape = footage(11, 3, 300, scatter=2.0), AlarmShape()
    found = calibrate(*terms, FPS, "6/hour")
    held = HeldOut(*terms, FPS)
    rates = rates_of(held, held.pooled(0.5, shape.window(FPS)), found.budget, shape)
    level = rates.level(6.0, np.ones(rates.blocks, int))
    assert found.margin > 0.1
    assert found.threshold == pytest.approx(level + found.margin)
    assert found.interval[0] <= found.threshold <= found.interval[1]


class Counting:
    """Rates whose level is how often it was asked for."""

    blocks = 4
    asked = 0

    def level(self, rate, draws):
        self.asked += 1
        return float(self.asked)


def test_the_interval_holds_nine_draws_in_ten():
    expected = (1 + 0.05 * (DRAWS - 1), 1 + 0.95 * (DRAWS - 1))
    assert bootstrap(Counting(), 1.0, 0) == pytest.approx(expected)


def test_interval_is_wide_where_footage_is_short():
    def width(clips: int) -> float:
        low, high = calibrate(*footage(4, clips, 300), FPS, "60/hour").interval
        return high - low

    assert width(2) > 2 * width(60)


def test_share_of_frames_is_conformal():
    held = footage(5, 30, 600)
    found = calibrate(*held, FPS, "0.01/frame")
    assert found.warnings == ()
    scores = found.scorer(*fresh())
    assert (scores >= found.threshold).mean() == pytest.approx(0.01, rel=0.5)
    assert found.observed <= 0.01 * found.frames


def test_a_frame_at_the_threshold_counts():
    scores, budget = np.array([1.0, 2, 3]), Budget(0.1, "frame")
    assert exceeding(scores, Rule(2, 2), budget, np.array([3])) == 2


def test_share_of_images_leaves_time_out():
    random = np.random.default_rng(0)
    first, second = random.gamma(2, size=(2, 300))
    found = calibrate(first, second, np.array([300]), 25.0, "0.05/image")
    assert (found.clips, found.scorer.window, found.margin) == (300, 1, 0)
    assert found.rule == Rule(found.threshold, found.threshold, 1, 0, 0)
    assert found.warnings == ()
    scores = found.scorer(*random.gamma(2, size=(2, 20_000)))
    assert (scores >= found.threshold).mean() == pytest.approx(0.05, abs=0.03)


def test_few_images_are_warned_of():
    first, second = np.random.default_rng(0).gamma(2, size=(2, 40))
    found = calibrate(first, second, np.array([40]), 1.0, "0.001/image")
    assert found.threshold > found.scorer(first, second, np.ones(40, int)).max()
    assert "40 images hold 0.041 false alarms" in found.warnings[0]
    assert "hold out 1000 images" in found.warnings[0]


@pytest.mark.parametrize("budget", ["1/day", "60/hour", "0.01/frame", "0.01/image"])
@pytest.mark.parametrize("lengths", [(400,), (200, 200), (3000, 3000)])
def test_constant_scores_raise_no_alarm(budget, lengths):
    count = sum(lengths)
    found = calibrate(np.full(count, 2.0), np.zeros(count), np.array(lengths), FPS, budget)
    assert found.threshold > 0
    assert found.observed == 0
    assert any("same score" in warning for warning in found.warnings)


def test_a_moment_of_footage_still_gives_a_threshold_above_it():
    reconstruction, deformation = np.random.default_rng(0).gamma(2, size=(2, 6))
    found = calibrate(reconstruction, deformation, np.array([6]), FPS, "1/hour")
    assert found.observed == 0
    assert found.threshold > 0


def test_units_of_the_terms_do_not_count():
    first, second, lengths = footage(6, 3, 300)
    found = calibrate(first, second, lengths, FPS, "60/hour")
    scaled = calibrate(100 * first, second / 100, lengths, FPS, "60/hour")
    assert scaled.threshold == pytest.approx(found.threshold)


def test_json_and_back():
    found = calibrate(*footage(7, 3, 300), FPS, "1/day", AlarmShape(gap=2.0), 0.7, seed=3)
    restored = Calibration.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert restored == found
    assert restored.scorer(*footage(8, 1, 50)) == pytest.approx(
        found.scorer(*footage(8, 1, 50)), nan_ok=True
    )


def test_the_seed_decides():
    held = footage(9, 3, 300)
    first, again, other = (calibrate(*held, FPS, "1/hour", seed=s) for s in (0, 0, 1))
    assert first == again
    assert other.threshold == first.threshold
    assert other.interval != first.interval


def test_the_rule_is_the_one_that_was_counted_with():
    shape = AlarmShape(smoothing=0.3, hysteresis=0.5, minimum=0.4, gap=2, cooldown=3)
    held = footage(10, 4, 900)
    found = calibrate(*held, FPS, "60/hour", shape)
    on = found.threshold
    assert found.rule == Rule(on, 0.5 * on, 4, 20, 30)
    assert found.scorer.window == 3
    assert len(find_events(found.scorer(*held), found.rule, held[2])) <= 12


def test_a_shape_survives_its_calibration():
    shape = AlarmShape(smoothing=0.3, hysteresis=0.4, minimum=0.4, gap=2.0, cooldown=3.0)
    found = calibrate(*footage(12, 3, 300), FPS, "60/hour", shape)
    assert vars(AlarmShape.of(found)) == pytest.approx(vars(shape))


def test_times_are_told_in_their_units():
    assert [lasting(hours) for hours in (5, 0.5, 0.01)] == ["5 h", "30 min", "36 s"]


def test_no_scores_are_refused():
    empty = np.full(50, np.nan)
    with pytest.raises(DmadError, match="0 of 50 held-out frames have a score; give more"):
        calibrate(empty, empty, np.array([50]), FPS, "1/day")


@pytest.mark.parametrize(
    ("text", "amount", "unit", "rate"),
    [
        ("1/day", 1, "day", 1 / 24),
        ("2/hour", 2, "hour", 2),
        (" 0.5 / hour ", 0.5, "hour", 0.5),
        ("0.001/frame", 0.001, "frame", 0.001),
        ("1e-2/image", 0.01, "image", 0.01),
    ],
)
def test_budgets_are_read(text, amount, unit, rate):
    budget = Budget.parse(text)
    assert budget == Budget(amount, unit)
    assert budget.rate == pytest.approx(rate)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "1", "/day", "1/week", "one/day", "nan/hour", "1/day/2"])
def test_unreadable_budgets_are_refused(text):
    with pytest.raises(DmadError, match=r"cannot read the budget .*write 1/day, 2/hour"):
        Budget.parse(text)


@pytest.mark.parametrize("text", ["0/day", "-1/hour", "1/frame", "2/image"])
def test_budgets_out_of_range_are_refused(text):
    with pytest.raises(DmadError, match=r"the budget is .*give a number above 0"):
        Budget.parse(text)


def test_alarms_are_shaped_in_seconds():
    shape = AlarmShape()
    assert shape.rule(10, 25.0) == Rule(10, 8, 5, 25, 50)
    assert (shape.window(25.0), shape.window(0.5)) == (20, 1)
    assert shape.rule(-1, 10.0).off == pytest.approx(-1.2)
    assert shape.rule(3, 0.1).minimum == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [({"gap": -1.0}, "gap is -1.0 s"), ({"hysteresis": 1.0}, "hysteresis is 1.0")],
)
def test_bad_shapes_are_refused(change, message):
    with pytest.raises(DmadError, match=message):
        replace(AlarmShape(), **change)
