from dataclasses import replace

import numpy as np
import pytest

from dmad.calibration.alarms import (
    AlarmRule,
    AlarmShape,
    Event,
    EventFinder,
    find_events,
    frames_in_events,
    highest_alarm_level,
)
from dmad.errors import DmadError

NAN = np.nan


def spans(scores, rule: AlarmRule, clip_lengths=None) -> list[tuple[int, int]]:
    """Start and end of each event."""
    events = find_events(np.array(scores, float), rule, clip_lengths)
    return [(event.start, event.end) for event in events]


def test_an_event_is_a_stretch_at_or_above_the_threshold():
    scores = np.array([0, 5, 7, 6, 0, 9, 4.9])
    assert find_events(scores, AlarmRule(5, 5)) == [
        Event(start=1, end=4, peak=2, score=7, alarm=1),
        Event(start=5, end=6, peak=5, score=9, alarm=5),
    ]


def test_the_peak_is_the_first_frame_with_the_highest_score():
    assert find_events(np.array([5.0, 6, 6]), AlarmRule(5, 5))[0].peak == 1


def test_the_lower_threshold_continues_an_event_but_starts_none():
    assert spans([3, 4, 5, 3, 3, 2, 3, 4], AlarmRule(5, 3)) == [(2, 5)]
    assert spans([5, 3, 2, 3, 5], AlarmRule(5, 3)) == [(0, 2), (4, 5)]


@pytest.mark.parametrize(("gap", "expected"), [(0, 3), (1, 2), (2, 1), (9, 1)])
def test_an_event_continues_after_at_most_gap_inactive_frames(gap, expected):
    assert len(spans([5, 0, 5, 0, 0, 5], AlarmRule(5, 5, gap=gap))) == expected


def test_an_event_ends_with_its_last_active_frame():
    assert spans([0, 5, 0, 5, 0, 0, 0, 0], AlarmRule(5, 5, gap=2)) == [(1, 4)]


def test_after_a_gap_only_the_higher_threshold_continues_an_event():
    assert spans([5, 2, 3, 5], AlarmRule(5, 3, gap=1)) == [(0, 1), (3, 4)]
    assert spans([5, 2, 5, 3], AlarmRule(5, 3, gap=1)) == [(0, 4)]


def test_fewer_active_frames_than_the_minimum_make_no_event():
    assert spans([5, 5, 0, 5, 5, 5, 0], AlarmRule(5, 5, minimum=3)) == [(3, 6)]


def test_only_active_frames_count_for_the_minimum():
    assert spans([5, 0, 0, 0, 5, 0], AlarmRule(5, 5, minimum=3, gap=3)) == []
    events = find_events(np.array([5, 0, 5, 0, 0, 6, 0.0]), AlarmRule(5, 5, minimum=3, gap=3))
    assert events == [Event(start=0, end=6, peak=5, score=6, alarm=5)]


def test_no_event_starts_in_the_cooldown():
    assert spans([5, 0, 5, 5, 0, 0, 5], AlarmRule(5, 5, cooldown=3)) == [(0, 1), (6, 7)]


def test_scores_still_high_after_the_cooldown_start_an_event():
    assert spans([5, 0, 5, 5, 5, 5], AlarmRule(5, 5, cooldown=3)) == [(0, 1), (4, 6)]
    assert spans([5, 0, 5, 5, 4, 5], AlarmRule(5, 3, cooldown=3)) == [(0, 1), (5, 6)]


def test_the_cooldown_starts_at_the_last_active_frame():
    assert spans([5, 0, 5, 0, 0, 5], AlarmRule(5, 5, gap=1, cooldown=2)) == [(0, 3), (5, 6)]
    assert spans([5, 0, 5, 0, 0, 5], AlarmRule(5, 5, gap=1, cooldown=3)) == [(0, 3)]


def test_a_stretch_too_short_for_an_event_starts_no_cooldown():
    assert spans([5, 0, 5, 5], AlarmRule(5, 5, minimum=2, cooldown=9)) == [(2, 4)]


def test_events_and_cooldown_end_with_the_clip():
    rule = AlarmRule(5, 5, gap=3, cooldown=9)
    assert spans([0, 5, 5, 5, 0, 5], rule, [3, 0, 3]) == [(1, 3), (3, 6)]
    assert spans([5, 5, 5, 5], AlarmRule(5, 5, minimum=3), [2, 2]) == []


def test_frames_without_a_score_are_not_active():
    assert spans([NAN, NAN, 5, NAN, 5, NAN], AlarmRule(5, -9)) == [(2, 3), (4, 5)]
    assert spans([5, NAN, 5], AlarmRule(5, 5, gap=1)) == [(0, 3)]
    assert spans([NAN, NAN], AlarmRule(5, 5)) == []


def test_the_finder_shows_an_event_from_its_alarm_and_returns_it_at_its_end():
    finder = EventFinder(AlarmRule(5, 5, minimum=2, gap=1))
    states = []
    for score in [5, 6, 0, 5, 0, 0, 5]:
        ended = finder.add_score(score)
        states.append((finder.current, ended))
    whole = Event(start=0, end=4, peak=1, score=6, alarm=1)
    in_progress = Event(start=0, end=2, peak=1, score=6, alarm=1)
    assert states[:3] == [(None, None), (in_progress, None), (in_progress, None)]
    assert states[3:] == [(whole, None), (whole, None), (None, whole), (None, None)]
    assert finder.candidate == Event(start=6, end=7, peak=6, score=5, alarm=6)
    assert finder.end_clip() is None
    assert finder.candidate is None


def test_the_end_of_a_clip_returns_the_event_in_progress():
    finder = EventFinder(AlarmRule(5, 5, cooldown=9))
    finder.add_score(5)
    assert finder.end_clip() == Event(start=0, end=1, peak=0, score=5, alarm=0)
    finder.add_score(6)
    assert finder.current == Event(start=1, end=2, peak=1, score=6, alarm=1)


def slow_events(scores: np.ndarray, rule: AlarmRule) -> list[tuple[int, int, int]]:
    """The rule applied to a whole clip at once: (start, end, alarm) of each event."""
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
def test_events_of_random_scores_match_a_slow_computation(seed):
    random = np.random.default_rng(seed)
    scores = np.round(random.normal(size=150), 1)
    scores[random.random(150) < 0.05] = NAN
    minimum, gap, cooldown = random.integers([1, 0, 0], [4, 4, 6]).tolist()
    rule = AlarmRule(1, 0.4, minimum, gap, cooldown)
    events = find_events(scores, rule)
    assert [(event.start, event.end, event.alarm) for event in events] == slow_events(scores, rule)
    for event in events:
        assert event.score == scores[event.peak] == np.nanmax(scores[event.start : event.end])


def test_frames_in_events_are_marked():
    events = find_events(np.array([0, 5, 5, 0, 5, 0]), AlarmRule(5, 5))
    assert frames_in_events(6, events).tolist() == [False, True, True, False, True, False]
    assert frames_in_events(2, []).tolist() == [False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"off": 2.0}, "give an off of at most on"),
        ({"on": NAN}, "give an off of at most on"),
        ({"minimum": 0}, "minimum is 0"),
        ({"cooldown": -1}, "cooldown is -1"),
        ({"gap": -2}, "gap is -2"),
    ],
)
def test_bad_rules_are_refused(change, message):
    with pytest.raises(DmadError, match=message):
        replace(AlarmRule(1, 1), **change)


def test_bad_scores_are_refused():
    with pytest.raises(DmadError, match="sum to 3 for 4"):
        find_events(np.zeros(4), AlarmRule(1, 1), [1, 2])
    with pytest.raises(DmadError, match="infinite"):
        find_events(np.array([np.inf]), AlarmRule(1, 1))


def test_a_shape_in_seconds_gives_a_rule_in_frames():
    shape = AlarmShape()
    assert shape.rule(10, 25.0) == AlarmRule(10, 8, 5, 25, 50)
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


@pytest.mark.parametrize("shape", [AlarmShape(), AlarmShape(0, 0.5, 0.4, 0.1, 0), AlarmShape(0, 0)])
def test_the_highest_alarm_level_is_where_alarms_begin(shape):
    random = np.random.default_rng(0)
    for _ in range(5):
        scores = np.convolve(random.normal(size=60), np.ones(4), "valid")
        level = highest_alarm_level(scores, shape, 10.0)
        assert find_events(scores, shape.rule(level, 10.0))
        assert not find_events(scores, shape.rule(level + 1e-6, 10.0))


def test_scores_too_short_for_an_alarm_have_no_level():
    assert highest_alarm_level(np.array([9.0]), AlarmShape(minimum=0.2), 10.0) == -np.inf
    assert highest_alarm_level(np.array([np.nan]), AlarmShape(), 10.0) == -np.inf
