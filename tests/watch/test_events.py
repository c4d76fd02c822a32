from collections.abc import Iterable

import numpy as np
import pytest

from dmad.calibration.alarms import find_events
from dmad.inference.result import JudgedFrames
from dmad.inference.streaming import JudgedFrame
from dmad.watch.events import LiveEvents
from dmad.watch.messages import EventMessage

KERNEL = (3, 3)


def judged(score: float, time: float) -> JudgedFrame:
    """A frame whose score comes from the reconstruction in a rectangle."""
    maps = np.zeros((2, 1, 20, 40), np.float32)
    maps[0, 0, 5:10, 10:20] = score
    batch = JudgedFrames(
        index=np.array([0]),
        frames=np.zeros((1, 20, 40, 1), np.uint8),
        raw=np.array([score]),
        reconstruction=np.array([score]),
        deformation=np.zeros(1),
        released={},
        reconstruction_map=maps[0],
        deformation_map=maps[1],
        drawings={},
    )
    return JudgedFrame(score, score, 0.0, score, batch, time)


@pytest.fixture
def live(calibration_of) -> LiveEvents:
    return LiveEvents("gate", calibration_of(1.0), KERNEL)


def add_scores(
    live: LiveEvents, scores: Iterable[float], start: float = 0.0, step: float = 0.1
) -> list[EventMessage]:
    return [
        update.message
        for index, score in enumerate(scores)
        for update in live.add_frame(judged(float(score), start + index * step))
    ]


def skip(live: LiveEvents, seconds: float) -> list[EventMessage]:
    return [update.message for update in live.skip(seconds)]


def states(messages: list[EventMessage]) -> list[str]:
    return [message.state for message in messages]


def test_an_event_is_reported_when_it_begins_rises_and_ends(live):
    messages = add_scores(live, [0, 0, 2, 2] + [2] * 9 + [5] + [2] * 3 + [0] * 5)
    assert states(messages) == ["new", "update", "end"]
    new, update, end = messages
    assert len({message.id for message in messages}) == 1
    assert (new.start, new.end, new.score) == (pytest.approx(0.2), None, 2)
    assert (update.score, update.peak) == (5, pytest.approx(1.3))
    assert (end.end, end.peak, end.score) == (pytest.approx(1.7), pytest.approx(1.3), 5)
    assert end.term == "reconstruction"
    assert end.box == pytest.approx((9 / 40, 4 / 20, 21 / 40, 11 / 20), abs=0.06)
    assert end.threshold == 1.0


def test_an_update_carries_the_frame_with_the_highest_score(live):
    scores = [0, 2, 5, 2, 0, 0, 0, 0]
    updates = [
        update
        for index, score in enumerate(scores)
        for update in live.add_frame(judged(float(score), index / 10))
    ]
    assert updates[-1].message.state == "end"
    assert (updates[-1].peak.score, updates[-1].peak.time) == (5, 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_live_events_are_those_found_in_the_whole_clip(live, seed):
    rng = np.random.default_rng(seed)
    scores = np.convolve(rng.normal(0, 2, 400), np.ones(5) / 5, "same")
    messages = add_scores(live, scores) + [update.message for update in live.finish()]
    ends = [message for message in messages if message.state == "end"]
    expected = find_events(scores, live.calibration.rule)
    assert len(ends) == len(expected) > 3
    for message, event in zip(ends, expected, strict=True):
        times = (event.start / 10, event.peak / 10, event.end / 10)
        assert (message.start, message.peak, message.end) == pytest.approx(times)
        assert message.score == pytest.approx(event.score)
    without_updates = [state for state in states(messages) if state != "update"]
    assert without_updates == ["new", "end"] * len(ends)


def test_updates_are_at_least_a_second_apart(live):
    messages = add_scores(live, 2 + np.arange(25) / 10)  # rises all the time
    assert states(messages) == ["new", "update", "update"]
    assert np.diff([message.peak for message in messages]) == pytest.approx(1.0)


def test_it_is_quiet_unless_an_event_may_be_beginning(live):
    add_scores(live, [0, 0])
    assert live.is_quiet
    assert add_scores(live, [2], start=0.2) == []  # one frame is not yet an event
    assert not live.is_quiet


def test_a_frame_counts_for_the_dropped_ones_before_it(live):
    messages = add_scores(live, [0, 2, 2, 0, 0, 0], step=0.3)
    assert states(messages) == ["new", "end"]
    end = messages[-1]
    assert (end.start, end.end) == (pytest.approx(0.3), pytest.approx(0.7))


@pytest.mark.parametrize(("seconds", "expected"), [(0.2, ["new"]), (5.0, ["new", "end", "new"])])
def test_a_short_gap_is_bridged_and_a_long_one_ends_the_event(live, seconds, expected):
    messages = add_scores(live, [0, 2, 2]) + skip(live, seconds)
    messages += add_scores(live, [2, 2, 2], start=0.3 + seconds)
    assert states(messages) == expected
    assert len({message.id for message in messages}) == expected.count("new")


def test_a_long_gap_ends_the_cooldown_too(calibration_of):
    calibration = calibration_of(1.0, minimum=1, gap=1, cooldown=30)
    live = LiveEvents("gate", calibration, KERNEL)
    messages = add_scores(live, [0, 2, 2, 0, 0, 0]) + skip(live, 60.0)
    messages += add_scores(live, [2], start=61.0)
    assert states(messages) == ["new", "end", "new"]


def test_the_first_frame_after_a_gap_counts_once(live):
    messages = add_scores(live, [0]) + skip(live, 60.0) + add_scores(live, [2], start=60.0)
    assert messages == []  # the rule needs two frames
