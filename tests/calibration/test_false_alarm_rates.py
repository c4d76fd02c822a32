import numpy as np
import pytest
from scipy import stats

from dmad.calibration.alarms import AlarmRule, AlarmShape, find_events
from dmad.calibration.false_alarm_rates import (
    RateCurve,
    count_events,
    event_peaks,
    sort_scores,
)
from dmad.calibration.held_out import HeldOut

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([300, 0, 200, 500])
SHAPE = AlarmShape(smoothing=0, hysteresis=0.2, minimum=0.1, gap=0.1, cooldown=0.2)
FPS = 10.0


def rough_scores(count: int = 1000) -> np.ndarray:
    """Scores that change slowly, with a few frames without a score."""
    scores = np.convolve(RANDOM.normal(size=count + 4), np.ones(5) / 5**0.5, "valid")
    scores[RANDOM.random(count) < 0.02] = np.nan
    return scores


def footage(scores: np.ndarray, lengths: np.ndarray, fps: float = FPS) -> HeldOut:
    """Footage whose scored frames are those of the scores."""
    return HeldOut(scores, np.zeros(len(scores)), lengths, fps)


@pytest.mark.parametrize(
    "rule", [AlarmRule(1, 0.8, 2, 3, 5), AlarmRule(2, 2), AlarmRule(0.5, -1, 4, 0, 9)]
)
def test_skipping_quiet_stretches_changes_no_event(rule):
    scores = rough_scores()
    whole = [event.peak for event in find_events(scores, rule, LENGTHS)]
    assert event_peaks(scores, rule, LENGTHS).tolist() == whole
    assert len(whole) > 3


def test_events_are_counted_by_the_rule_at_falling_levels():
    scores = rough_scores()
    held_out = footage(scores, LENGTHS)
    rates = count_events(held_out, scores, SHAPE, 1.0)
    assert (np.diff(rates.levels) < 0).all()
    for level, counts in zip(rates.levels, rates.counts, strict=True):
        events = find_events(scores, SHAPE.rule(level, FPS), LENGTHS)
        blocks = held_out.block_index[[event.peak for event in events]]
        assert counts.tolist() == np.bincount(blocks, minlength=rates.blocks).tolist()


def test_hours_count_frames_with_a_score():
    scores = np.repeat([np.nan, 1.0], 1800)
    held_out = footage(scores, np.array([3600]), fps=1.0)
    rates = count_events(held_out, scores, SHAPE, 1.0)
    assert rates.hours.sum() == pytest.approx(0.5)
    assert rates.expected(6.0, np.ones(rates.blocks, int)) == pytest.approx(3)


def test_events_are_counted_far_enough_for_the_bootstrap():
    scores = rough_scores(20_000)
    rates = count_events(footage(scores, np.array([20_000])), scores, SHAPE, 100.0)
    assert rates.counts.sum(1).max() >= 4 * rates.expected(100.0, np.ones(20, int))


def test_the_level_is_the_lowest_within_the_budget():
    """k counted events mean k + 1 expected ones, up to the distance between levels."""
    scores, lengths = rough_scores(40_000), np.array([40_000])
    held_out = footage(scores, lengths)
    for rate in (60, 200):
        rates = count_events(held_out, scores, SHAPE, rate)
        level = rates.level(rate, np.ones(20, int))
        events = len(event_peaks(scores, SHAPE.rule(level, FPS), lengths))
        assert events + 1 == pytest.approx(rate * held_out.hours, rel=0.1)


def test_a_lower_rate_gives_a_higher_level_also_beyond_the_footage():
    scores, lengths = rough_scores(20_000), np.array([20_000])
    wanted = [1e-3, 0.1, 1, 10, 17, 19, 30, 100, 300]
    rates = count_events(footage(scores, lengths), scores, SHAPE, max(wanted))
    levels = [rates.level(rate, np.ones(20, int)) for rate in wanted]
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize(("count", "share"), [(99, 0.01), (999, 0.01), (50, 0.1), (20, 0.3)])
def test_the_level_of_a_share_is_the_split_conformal_quantile(count, share):
    """It is just above the ⌈(n + 1)(1 - α)⌉ th smallest score."""
    scores = RANDOM.permutation(count).astype(float)
    level = sort_scores(scores, np.arange(count)).level(share, np.ones(count, int))
    rank = int(np.ceil(round((count + 1) * (1 - share), 9)))
    assert level == np.nextafter(np.sort(scores)[rank - 1], np.inf)


def test_a_new_image_exceeds_the_level_no_more_often_than_the_budget_allows():
    alarms = []
    for _ in range(2000):
        scores = RANDOM.gamma(2, size=30)
        level = sort_scores(scores[:29], np.arange(29)).level(0.1, np.ones(29, int))
        alarms.append(scores[29] >= level)
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.02)


def test_a_share_too_small_for_the_sample_is_extrapolated():
    scores = stats.expon.rvs(size=500, random_state=0)
    level = sort_scores(scores, np.arange(500)).level(1e-4, np.ones(500, int))
    assert level > scores.max()
    assert level == pytest.approx(-np.log(1e-4), rel=0.15)


def test_an_extrapolated_level_is_above_all_scores():
    scores = np.array([10.0, *np.ones(19)])
    assert sort_scores(scores, np.arange(20)).level(0.99 / 21, np.ones(20, int)) > 10


@pytest.mark.parametrize("rate", [0.1, 10.0, 100.0])
def test_the_curve_is_the_inverse_of_the_level(rate):
    scores = rough_scores(20_000)
    rates = count_events(footage(scores, np.array([20_000])), scores, SHAPE, 100.0)
    level = rates.level(rate, np.ones(20, int))
    assert RateCurve.measure(rates, 10.0).rate(level) == pytest.approx(rate, rel=0.1)
