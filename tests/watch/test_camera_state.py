import pytest

from dmad.watch.camera_state import ReportedState, UnscoredTime


def test_a_change_of_state_is_reported_once():
    state = ReportedState("gate")
    assert state.change("ok", 1.0) is None
    message = state.change("black", 2.0)
    assert (message.source, message.state, message.time) == ("gate", "black", 2.0)
    assert not message.scoring
    assert state.change("black", 3.0) is None
    assert state.change("ok", 4.0).scoring


def test_another_reason_is_reported_too():
    state = ReportedState("gate")
    assert state.change("lost", 1.0, "connecting").why == "connecting"
    assert state.change("lost", 2.0, "connecting") is None
    assert state.change("lost", 3.0, "refused").why == "refused"


def test_a_camera_that_is_back_is_ok():
    state = ReportedState("gate")
    state.change("lost", 1.0, "refused")
    message = state.change("back", 9.0, gap=8.0)
    assert (message.state, message.gap, message.scoring) == ("back", 8.0, True)
    assert state.state == "ok"
    assert state.change("ok", 9.1) is None
    assert state.change("back", 20.0, gap=5.0) is not None  # after each gap


def test_time_without_scores_is_counted_in_whole_parts():
    unscored = UnscoredTime()
    assert unscored.count(5.0) is None
    unscored.start(10.0)
    unscored.start(10.4)  # it has started before
    assert unscored.count(10.9) is None
    assert unscored.count(11.5) == 1.5
    assert unscored.stop(11.75) == 0.25
    assert unscored.stop(20.0) is None


def test_without_a_pause_nothing_is_counted():
    assert UnscoredTime().stop(3.0) is None


@pytest.mark.parametrize("now", [9.0, -600.0])
def test_a_clock_that_is_set_back_counts_nothing(now):
    unscored = UnscoredTime()
    unscored.start(10.0)
    assert unscored.count(now) is None
    assert unscored.stop(now) is None
