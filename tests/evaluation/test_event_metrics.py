import numpy as np
import pytest
from scipy import stats

from dmad.calibration.alarms import AlarmRule, Event
from dmad.errors import DmadError
from dmad.evaluation.event_metrics import (
    AlarmMetrics,
    alarm_curve,
    alarm_metrics,
    false_alarms,
    labelled_events,
    missed_events,
)

NAN = np.nan


@pytest.mark.parametrize("change", [lambda s: s + 30, lambda s: 1e6 * s, np.exp])
def test_only_the_order_of_the_scores_matters(change):
    random = np.random.default_rng(3)
    scores, labels = np.round(random.normal(size=300), 1), np.repeat(random.integers(0, 2, 30), 10)
    scores[:5] = NAN
    rule, moved = AlarmRule(1, 0.5, 2, 1, 3), AlarmRule(change(1.0), change(0.5), 2, 1, 3)
    lengths = [100, 200]
    first = alarm_metrics(scores, labels, lengths, rule, 25)
    assert alarm_metrics(change(scores), labels, lengths, moved, 25) == first
    one = alarm_curve(scores, labels, lengths, AlarmRule(0, 0, 2, 1, 3), 25)
    other = alarm_curve(change(scores), labels, lengths, AlarmRule(7, 7, 2, 1, 3), 25)
    assert one.recall.tolist() == other.recall.tolist()
    assert one.false_per_hour.tolist() == other.false_per_hour.tolist()


def test_metrics_equal_those_computed_by_hand():
    #                 clip of 12 frames                       clip of 6
    scores = np.array([NAN, 9, 0, 0, 0, 9, 9, 0, 0, 0, 9, 0, 0, 0, 0, 9, 9, 9])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1])
    alarms = alarm_metrics(scores, labels, [12, 6], AlarmRule(5, 5), fps=2)
    assert (alarms.true_events, alarms.found_events, alarms.false_events) == (3, 2, 2)
    assert alarms.recall == pytest.approx(2 / 3)
    assert alarms.delay_s == 0.25  # 1 and 0 frames
    assert alarms.normal_hours == pytest.approx(8 / 2 / 3600)
    assert alarms.false_per_hour == pytest.approx(2 / alarms.normal_hours)
    assert alarms.false_interval[0] < alarms.false_per_hour < alarms.false_interval[1]


def test_the_delay_includes_the_frames_that_confirm_an_event():
    labels = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    scores = np.array([0, 0, 0, 9, 9, 9, 9, 0])
    assert alarm_metrics(scores, labels, None, AlarmRule(5, 5), 10).delay_s == pytest.approx(0.1)
    alarms = alarm_metrics(scores, labels, None, AlarmRule(5, 5, minimum=3), 10)
    assert alarms.delay_s == pytest.approx(0.3)


def test_the_delay_is_the_median_of_the_found_events():
    labels = np.array([1] * 9 + [0, 1, 0, 1, 0])
    scores = np.array([0] * 8 + [9, 0, 9, 0, 9, 0])  # found after 8, 0 and 0 frames
    assert alarm_metrics(scores, labels, None, AlarmRule(5, 5), 10).delay_s == 0


def test_the_delay_is_zero_if_an_alarm_is_already_on():
    scores, labels = np.array([9, 9, 9, 9]), np.array([0, 0, 1, 1])
    alarms = alarm_metrics(scores, labels, None, AlarmRule(5, 5), 10)
    assert (alarms.delay_s, alarms.recall, alarms.false_events) == (0, 1, 0)


def test_the_delay_ends_at_the_first_of_several_alarms():
    scores, labels = np.array([0, 0, 9, 0, 9, 0]), np.array([0, 1, 1, 1, 1, 1])
    alarms = alarm_metrics(scores, labels, None, AlarmRule(5, 5), 10)
    assert (alarms.delay_s, alarms.found_events) == (pytest.approx(0.1), 1)


def test_a_true_event_without_any_score_does_not_count():
    scores, labels = np.array([NAN, NAN, 0, NAN, 0]), np.array([1, 1, 0, 1, 1])
    assert alarm_metrics(scores, labels, None, AlarmRule(5, 5), 10).true_events == 1


def test_true_events_end_at_clip_borders():
    labels = np.array([0, 1, 1, 1, 1, 0])
    assert alarm_metrics(np.zeros(6), labels, [3, 0, 3], AlarmRule(5, 5), 10).true_events == 2
    assert alarm_metrics(np.zeros(6), labels, None, AlarmRule(5, 5), 10).true_events == 1


@pytest.mark.parametrize("count", [0, 1, 7])
def test_each_end_of_the_interval_makes_the_count_unlikely(count):
    low, high = AlarmMetrics(count / 2, 1, 0, 1, 1, count, 2.0).false_interval
    assert stats.poisson.cdf(count, 2 * high) == pytest.approx(0.05)
    assert low < count / 2 < high or count == 0
    if count:
        assert stats.poisson.sf(count - 1, 2 * low) == pytest.approx(0.05)
    else:
        assert low == 0


def test_missed_events_and_false_alarms_are_those_without_an_overlap():
    scores = np.array([NAN, NAN, 0, 9, 0, 0, 9, 0])
    labels = np.array([1, 0, 0, 1, 0, 1, 0, 0])
    true_events = labelled_events(scores, labels, [4, 4])
    assert true_events == [(3, 4), (5, 6)]  # the first has no score
    found, false = Event(3, 4, 3, 9.0, 3), Event(6, 7, 6, 9.0, 6)
    assert missed_events(true_events, [found, false]) == [(5, 6)]
    assert missed_events(true_events, []) == true_events
    assert false_alarms([found, false], labels) == [false]


def test_undefined_metrics_are_nan():
    normal = alarm_metrics(np.array([0, 9.0]), np.zeros(2), None, AlarmRule(5, 5), 10)
    assert np.isnan([normal.recall, normal.delay_s]).all()
    assert normal.false_per_hour == pytest.approx(18000)
    abnormal = alarm_metrics(np.array([0, 9.0]), np.ones(2), None, AlarmRule(5, 5), 10)
    assert np.isnan(abnormal.false_per_hour)
    assert abnormal.normal_hours == 0


def test_a_point_of_the_curve_equals_the_metrics_at_its_threshold():
    random = np.random.default_rng(1)
    labels = np.repeat(random.integers(0, 2, 20), 20)
    scores = random.normal(size=400) + labels
    rule = AlarmRule(1.5, 1, minimum=2, gap=1)
    curve = alarm_curve(scores, labels, [200, 200], rule, 25, points=12)
    assert 2 < len(curve.thresholds) <= 12
    assert (np.diff(curve.thresholds) < 0).all()
    for on, false, recall in zip(curve.thresholds, curve.false_per_hour, curve.recall, strict=True):
        alarms = alarm_metrics(scores, labels, [200, 200], AlarmRule(on, on - 0.5, 2, 1), 25)
        assert (alarms.false_per_hour, alarms.recall) == (false, recall)
    assert curve.recall[-1] == 1


def test_bad_input_is_refused():
    with pytest.raises(DmadError, match="3 scores for 2 labels"):
        alarm_metrics(np.zeros(3), np.zeros(2), None, AlarmRule(1, 1), 25)
    with pytest.raises(DmadError, match="0 frames per second"):
        alarm_metrics(np.zeros(2), np.zeros(2), None, AlarmRule(1, 1), 0)
