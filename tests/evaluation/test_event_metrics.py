import numpy as np
import pytest

from dmad.calibration.alarms import Event, EventFinder, AlarmRule, find_events
from dmad.errors import DmadError
from dmad.evaluation.event_metrics import alarm_curve, judge_events

NAN = np.nan


def spans(scores, rule: AlarmRule, clip_lengths=None) -> list[tuple[int, int]]:
    found = find_events(np.array(scores, float), rule, clip_lengths)
    return [(event.start, event.end) for event in found]


def test_an_event_is_a_stretch_at_or_above_the_threshold():
    scores = np.array([0, 5, 7, 6, 0, 9, 4.9])
    assert find_events(scores, AlarmRule(5, 5)) == [Event(1, 4, 2, 7, 1), Event(5, 6, 5, 9, 5)]


def test_the_peak_is_the_first_highest():
    assert find_events(np.array([5.0, 6, 6]), AlarmRule(5, 5))[0].peak == 1


def test_hysteresis_holds_an_event_but_starts_none():
    assert spans([3, 4, 5, 3, 3, 2, 3, 4], AlarmRule(5, 3)) == [(2, 5)]
    assert spans([5, 3, 2, 3, 5], AlarmRule(5, 3)) == [(0, 2), (4, 5)]


@pytest.mark.parametrize(("gap", "expected"), [(0, 3), (1, 2), (2, 1), (9, 1)])
def test_a_gap_is_the_number_of_quiet_frames_bridged(gap, expected):
    assert len(spans([5, 0, 5, 0, 0, 5], AlarmRule(5, 5, gap=gap))) == expected


def test_a_merged_event_ends_with_its_last_active_frame():
    assert spans([0, 5, 0, 5, 0, 0, 0, 0], AlarmRule(5, 5, gap=2)) == [(1, 4)]


def test_after_a_gap_only_the_higher_threshold_goes_on():
    assert spans([5, 2, 3, 5], AlarmRule(5, 3, gap=1)) == [(0, 1), (3, 4)]
    assert spans([5, 2, 5, 3], AlarmRule(5, 3, gap=1)) == [(0, 4)]


def test_fewer_active_frames_than_the_minimum_are_dropped():
    assert spans([5, 5, 0, 5, 5, 5, 0], AlarmRule(5, 5, minimum=3)) == [(3, 6)]


def test_active_frames_count_across_gaps_and_quiet_ones_do_not():
    assert spans([5, 0, 0, 0, 5, 0], AlarmRule(5, 5, minimum=3, gap=3)) == []
    events = find_events(np.array([5, 0, 5, 0, 0, 6, 0.0]), AlarmRule(5, 5, minimum=3, gap=3))
    assert events == [Event(start=0, end=6, peak=5, score=6, alarm=5)]


def test_cooldown_passes_over_what_begins_in_it():
    assert spans([5, 0, 5, 5, 0, 0, 5], AlarmRule(5, 5, cooldown=3)) == [(0, 1), (6, 7)]


def test_what_still_goes_on_after_the_cooldown_starts_then():
    assert spans([5, 0, 5, 5, 5, 5], AlarmRule(5, 5, cooldown=3)) == [(0, 1), (4, 6)]
    assert spans([5, 0, 5, 5, 4, 5], AlarmRule(5, 3, cooldown=3)) == [(0, 1), (5, 6)]


def test_cooldown_runs_from_the_last_active_frame_and_gaps_go_first():
    assert spans([5, 0, 5, 0, 0, 5], AlarmRule(5, 5, gap=1, cooldown=2)) == [(0, 3), (5, 6)]
    assert spans([5, 0, 5, 0, 0, 5], AlarmRule(5, 5, gap=1, cooldown=3)) == [(0, 3)]


def test_dropped_frames_start_no_cooldown():
    assert spans([5, 0, 5, 5], AlarmRule(5, 5, minimum=2, cooldown=9)) == [(2, 4)]


def test_events_and_cooldown_end_with_the_clip():
    rule = AlarmRule(5, 5, gap=3, cooldown=9)
    assert spans([0, 5, 5, 5, 0, 5], rule, [3, 0, 3]) == [(1, 3), (3, 6)]
    assert spans([5, 5, 5, 5], AlarmRule(5, 5, minimum=3), [2, 2]) == []


def test_frames_without_a_score_are_below_any_threshold():
    assert spans([NAN, NAN, 5, NAN, 5, NAN], AlarmRule(5, -9)) == [(2, 3), (4, 5)]
    assert spans([5, NAN, 5], AlarmRule(5, 5, gap=1)) == [(0, 3)]
    assert spans([NAN, NAN], AlarmRule(5, 5)) == []


def test_streaming_tells_of_an_event_at_its_alarm_and_when_it_is_over():
    finder = EventFinder(AlarmRule(5, 5, minimum=2, gap=1))
    heard = []
    for score in [5, 6, 0, 5, 0, 0, 5]:
        ended = finder.add_score(score)
        heard.append((finder.current, ended))
    whole = Event(start=0, end=4, peak=1, score=6, alarm=1)
    ongoing = Event(0, 2, 1, 6, 1)
    assert heard[:3] == [(None, None), (ongoing, None), (ongoing, None)]
    assert heard[3:] == [(whole, None), (whole, None), (None, whole), (None, None)]
    assert finder.end_clip() is None


def batch(scores: np.ndarray, rule: AlarmRule) -> list[tuple[int, int, int]]:
    """The rule on a whole clip at once, in three passes: (start, end, alarm)."""
    events, after = [], 0
    while after < len(scores):
        active, on = [], False
        for frame in range(after, len(scores)):
            quiet = frame - active[-1] - 1 if active else 0
            if active and quiet > rule.gap:
                break
            on = bool(scores[frame] >= (rule.off if on else rule.on))
            active += [frame] if on else []
        if not active:
            break
        after = active[-1] + 1
        if len(active) >= rule.minimum:
            events.append((active[0], after, active[rule.minimum - 1]))
            after += rule.cooldown
    return events


@pytest.mark.parametrize("seed", range(20))
def test_random_scores_match_a_slow_computation(seed):
    random = np.random.default_rng(seed)
    scores = np.round(random.normal(size=150), 1)
    scores[random.random(150) < 0.05] = NAN
    minimum, gap, cooldown = random.integers([1, 0, 0], [4, 4, 6]).tolist()
    rule = AlarmRule(1, 0.4, minimum, gap, cooldown)
    found = [(event.start, event.end, event.alarm) for event in find_events(scores, rule)]
    assert found == batch(scores, rule)
    for event in find_events(scores, rule):
        assert event.score == scores[event.peak] == np.nanmax(scores[event.start : event.end])


@pytest.mark.parametrize("change", [lambda s: s + 30, lambda s: 1e6 * s, np.exp])
def test_only_the_order_of_scores_counts(change):
    random = np.random.default_rng(3)
    scores, labels = np.round(random.normal(size=300), 1), np.repeat(random.integers(0, 2, 30), 10)
    scores[:5] = NAN
    rule, moved = AlarmRule(1, 0.5, 2, 1, 3), AlarmRule(change(1.0), change(0.5), 2, 1, 3)
    lengths = [100, 200]
    first = judge_events(scores, labels, lengths, rule, 25)
    assert judge_events(change(scores), labels, lengths, moved, 25) == first
    one = alarm_curve(scores, labels, lengths, AlarmRule(0, 0, 2, 1, 3), 25)
    other = alarm_curve(change(scores), labels, lengths, AlarmRule(7, 7, 2, 1, 3), 25)
    assert one.recall.tolist() == other.recall.tolist()
    assert one.false_per_hour.tolist() == other.false_per_hour.tolist()


def test_judged_by_hand():
    #                 clip of 12 frames                       clip of 6
    scores = np.array([NAN, 9, 0, 0, 0, 9, 9, 0, 0, 0, 9, 0, 0, 0, 0, 9, 9, 9])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1])
    alarms = judge_events(scores, labels, [12, 6], AlarmRule(5, 5), fps=2)
    assert (alarms.true_events, alarms.found, alarms.false_events) == (3, 2, 2)
    assert alarms.recall == pytest.approx(2 / 3)
    assert alarms.delay_s == 0.25  # 1 and 0 frames
    assert alarms.normal_hours == pytest.approx(8 / 2 / 3600)
    assert alarms.false_per_hour == pytest.approx(2 / alarms.normal_hours)


def test_the_delay_counts_the_frames_that_confirm():
    labels = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    scores = np.array([0, 0, 0, 9, 9, 9, 9, 0])
    assert judge_events(scores, labels, None, AlarmRule(5, 5), 10).delay_s == pytest.approx(0.1)
    alarms = judge_events(scores, labels, None, AlarmRule(5, 5, minimum=3), 10)
    assert alarms.delay_s == pytest.approx(0.3)


def test_the_delay_is_a_median():
    labels = np.array([1] * 9 + [0, 1, 0, 1, 0])
    scores = np.array([0] * 8 + [9, 0, 9, 0, 9, 0])  # found after 8, 0 and 0 frames
    assert judge_events(scores, labels, None, AlarmRule(5, 5), 10).delay_s == 0


def test_an_alarm_already_on_has_no_delay():
    scores, labels = np.array([9, 9, 9, 9]), np.array([0, 0, 1, 1])
    alarms = judge_events(scores, labels, None, AlarmRule(5, 5), 10)
    assert (alarms.delay_s, alarms.recall, alarms.false_events) == (0, 1, 0)


def test_the_first_of_several_alarms_counts():
    scores, labels = np.array([0, 0, 9, 0, 9, 0]), np.array([0, 1, 1, 1, 1, 1])
    alarms = judge_events(scores, labels, None, AlarmRule(5, 5), 10)
    assert (alarms.delay_s, alarms.found) == (pytest.approx(0.1), 1)


def test_a_true_event_without_any_score_does_not_count():
    scores, labels = np.array([NAN, NAN, 0, NAN, 0]), np.array([1, 1, 0, 1, 1])
    assert judge_events(scores, labels, None, AlarmRule(5, 5), 10).true_events == 1


def test_true_events_end_at_clip_borders():
    labels = np.array([0, 1, 1, 1, 1, 0])
    assert judge_events(np.zeros(6), labels, [3, 0, 3], AlarmRule(5, 5), 10).true_events == 2
    assert judge_events(np.zeros(6), labels, None, AlarmRule(5, 5), 10).true_events == 1


def test_what_there_is_none_of_is_nan():
    normal = judge_events(np.array([0, 9.0]), np.zeros(2), None, AlarmRule(5, 5), 10)
    assert np.isnan([normal.recall, normal.delay_s]).all()
    assert normal.false_per_hour == pytest.approx(18000)
    abnormal = judge_events(np.array([0, 9.0]), np.ones(2), None, AlarmRule(5, 5), 10)
    assert np.isnan(abnormal.false_per_hour)
    assert abnormal.normal_hours == 0


def test_the_alarm_curve_is_the_rule_at_each_threshold():
    random = np.random.default_rng(1)
    labels = np.repeat(random.integers(0, 2, 20), 20)
    scores = random.normal(size=400) + labels
    rule = AlarmRule(1.5, 1, minimum=2, gap=1)
    curve = alarm_curve(scores, labels, [200, 200], rule, 25, points=12)
    assert 2 < len(curve.thresholds) <= 12
    assert (np.diff(curve.thresholds) < 0).all()
    for on, false, recall in zip(curve.thresholds, curve.false_per_hour, curve.recall, strict=True):
        alarms = judge_events(scores, labels, [200, 200], AlarmRule(on, on - 0.5, 2, 1), 25)
        assert (alarms.false_per_hour, alarms.recall) == (false, recall)
    assert curve.recall[-1] == 1


def test_bad_input_is_one_clear_line():
    with pytest.raises(DmadError, match="give an off of at most on"):
        AlarmRule(1, 2)
    with pytest.raises(DmadError, match="give an off of at most on"):
        AlarmRule(NAN, 0)
    with pytest.raises(DmadError, match="minimum is 0"):
        AlarmRule(1, 1, minimum=0)
    with pytest.raises(DmadError, match="cooldown is -1"):
        AlarmRule(1, 1, cooldown=-1)
    with pytest.raises(DmadError, match="gap is -2"):
        AlarmRule(1, 1, gap=-2)
    with pytest.raises(DmadError, match="sum to 3 for 4"):
        find_events(np.zeros(4), AlarmRule(1, 1), [1, 2])
    with pytest.raises(DmadError, match="infinite"):
        find_events(np.array([np.inf]), AlarmRule(1, 1))
    with pytest.raises(DmadError, match="3 scores for 2 labels"):
        judge_events(np.zeros(3), np.zeros(2), None, AlarmRule(1, 1), 25)
    with pytest.raises(DmadError, match="0 frames per second"):
        judge_events(np.zeros(2), np.zeros(2), None, AlarmRule(1, 1), 0)
