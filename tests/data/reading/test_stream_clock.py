import time

import numpy as np
import pytest

from dmad.data.reading.stream_clock import MOST_DIFFERENCE, StreamClock


class FakeMachine:
    """A machine whose clock the test sets."""

    def __init__(self):
        self.day = 1e9  # seconds since 1970
        self.up = 0.0

    def wait(self, seconds: float) -> None:
        self.day += seconds
        self.up += seconds

    def clock(self) -> StreamClock:
        return StreamClock(lambda: self.day, lambda: self.up)


def test_frames_get_the_time_of_day():
    clock = StreamClock()
    assert clock.time_of(0.0) == pytest.approx(time.time(), abs=1)


def test_stream_times_are_used_if_they_are_near_the_time_of_day():
    machine = FakeMachine()
    clock = machine.clock()
    first = clock.time_of(5.0)
    machine.wait(0.3)
    assert clock.time_of(5.1) == pytest.approx(first + 0.1)
    machine.wait(60.0)
    assert clock.time_of(5.2) == machine.day  # the stream stood still for a minute


def test_times_without_meaning_are_ignored():
    machine = FakeMachine()
    clock = machine.clock()
    clock.trusts_stream = False
    machine.wait(0.5)
    assert clock.time_of(0.04) == clock.time_of(None) == machine.day


def test_times_never_decrease():
    clock, times = StreamClock(), []
    for stream_time in (0.0, 0.1, 0.2, 0.1, 0.0, 5.0):
        clock.last = clock.time_of(stream_time)
        times.append(clock.last)
    assert (np.diff(times) > 0).all()
    assert abs(times[-1] - time.time()) < MOST_DIFFERENCE + 0.1


@pytest.mark.parametrize("change", [-600.0, 3600.0])
def test_times_change_with_the_clock_of_the_machine(change):
    machine = FakeMachine()
    clock = machine.clock()
    clock.last = clock.time_of(0.0)
    before = clock.last
    assert not clock.was_set()
    machine.day += change
    assert clock.was_set()
    assert not clock.was_set()
    assert clock.last == before + change
    machine.wait(0.1)
    assert clock.time_of(0.1) == pytest.approx(before + change + 0.1)


def test_a_file_can_be_played_at_its_own_speed():
    machine = FakeMachine()
    clock = machine.clock()
    clock.last = clock.time_of(0.0)
    assert clock.seconds_until(2.0) == pytest.approx(2.0)
    machine.wait(3.0)
    assert clock.seconds_until(2.0) == pytest.approx(-1.0)
