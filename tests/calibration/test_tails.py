import numpy as np
import pytest
from scipy import stats

from dmad.calibration.hysteresis import Rule, find_events
from dmad.calibration.tails import (
    HEAVIEST,
    count_events,
    event_peaks,
    pareto_excess,
    pareto_shape,
    sort_shares,
)

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([300, 0, 200, 500])


def rough_scores(count: int = 1000) -> np.ndarray:
    scores = np.convolve(RANDOM.normal(size=count + 4), np.ones(5) / 5**0.5, "valid")
    scores[RANDOM.random(count) < 0.02] = np.nan
    return scores


def sharp(level: float) -> Rule:
    return Rule(level, 0.8 * level, 1, 1, 2)


@pytest.mark.parametrize("rule", [Rule(1, 0.8, 2, 3, 5), Rule(2, 2), Rule(0.5, -1, 4, 0, 9)])
def test_skipping_quiet_stretches_changes_no_event(rule):
    scores = rough_scores()
    whole = [event.peak for event in find_events(scores, rule, LENGTHS)]
    assert event_peaks(scores, rule, LENGTHS).tolist() == whole
    assert len(whole) > 3


def test_events_are_counted_by_the_very_rule_at_falling_levels():
    scores, block = rough_scores(), np.repeat(np.arange(10), 100)
    found = count_events(scores, LENGTHS, block, sharp, 10.0, 1.0)
    assert (np.diff(found.levels) < 0).all()
    for level, counts in zip(found.levels, found.counts, strict=True):
        starts = [event.peak for event in find_events(scores, sharp(level), LENGTHS)]
        assert counts.tolist() == np.bincount(block[starts], minlength=10).tolist()


def test_hours_are_of_frames_with_a_score():
    scores, block = np.repeat([np.nan, 1.0], 1800), np.repeat([0, 1], 1800)
    found = count_events(scores, np.array([3600]), block, sharp, 1.0, 1.0)
    assert found.hours.tolist() == [0, 0.5]


def test_events_are_counted_far_enough_for_the_bootstrap():
    scores, block = rough_scores(20_000), np.arange(20_000) // 1000
    found = count_events(scores, np.array([20_000]), block, sharp, 10.0, 100.0)
    assert found.counts.sum(1).max() >= 4 * found.expected(100.0, np.ones(20, int))


def test_the_level_is_the_lowest_within_the_budget():
    """k events counted mean k + 1 expected, to the width of the grid of levels."""
    scores, lengths = rough_scores(40_000), np.array([40_000])
    hours = np.isfinite(scores).sum() / 36000
    for rate in (60, 200):
        found = count_events(scores, lengths, np.arange(40_000) // 2000, sharp, 10.0, rate)
        level = found.level(rate, np.ones(20, int))
        expected = rate * hours
        assert len(event_peaks(scores, sharp(level), lengths)) + 1 == pytest.approx(
            expected, rel=0.1
        )


def test_a_rarer_rate_means_a_higher_level_across_the_end_of_the_footage():
    scores, lengths = rough_scores(20_000), np.array([20_000])
    rates = [1e-3, 0.1, 1, 10, 17, 19, 30, 100, 300]
    found = count_events(scores, lengths, np.arange(20_000) // 1000, sharp, 10.0, max(rates))
    levels = [found.level(rate, np.ones(20, int)) for rate in rates]
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_tails_are_recovered(shape):
    sample = stats.genpareto.rvs(shape, scale=2, size=20_000, random_state=0)
    assert pareto_shape(sample) == pytest.approx(shape, abs=0.04)
    assert pareto_excess(sample, 100) == pytest.approx(
        stats.genpareto.isf(0.01, shape, scale=2), rel=0.1
    )


def test_tails_have_no_end_and_are_not_too_heavy():
    assert pareto_shape(RANDOM.random(1000)) == 0
    assert pareto_shape(stats.genpareto.rvs(0.9, size=5000, random_state=0)) == HEAVIEST
    assert pareto_shape(np.zeros(30)) == 0


def test_few_excesses_have_an_exponential_tail():
    assert pareto_excess(np.array([1.0, 3]), np.e) == pytest.approx(2)
    assert pareto_excess(np.array([]), np.e) == pytest.approx(0.05)
    assert pareto_excess(np.array([1.0]), 0.5) == 0


@pytest.mark.parametrize(("count", "share"), [(99, 0.01), (999, 0.01), (50, 0.1), (20, 0.3)])
def test_shares_are_split_conformal_quantiles(count, share):
    """The ⌈(n + 1)(1 - α)⌉ th smallest score, and just above it."""
    scores = RANDOM.permutation(count).astype(float)
    found = sort_shares(scores, np.arange(count)).level(share, np.ones(count, int))
    rank = int(np.ceil(round((count + 1) * (1 - share), 9)))
    assert found == np.nextafter(np.sort(scores)[rank - 1], np.inf)


def test_a_fresh_image_exceeds_it_no_more_often_than_promised():
    alarms = []
    for _ in range(2000):
        scores = RANDOM.gamma(2, size=30)
        level = sort_shares(scores[:29], np.arange(29)).level(0.1, np.ones(29, int))
        alarms.append(scores[29] >= level)
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.02)


def test_a_share_beyond_the_sample_is_extrapolated():
    scores = stats.expon.rvs(size=500, random_state=0)
    shares = sort_shares(scores, np.arange(500))
    level = shares.level(1e-4, np.ones(500, int))
    assert level > scores.max()
    assert np.exp(-level) == pytest.approx(1e-4, rel=0.9)


def test_what_is_extrapolated_lies_above_all_that_was_seen():
    scores = np.array([10.0, *np.ones(19)])
    assert sort_shares(scores, np.arange(20)).level(0.99 / 21, np.ones(20, int)) > 10
