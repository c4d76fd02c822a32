"""The times of a recording start at 0 and never decrease."""

import pytest

from dmad.data.reading.recording_clock import RecordingClock


def times(timestamps: list[float | None], fps: float = 10) -> list[float]:
    clock = RecordingClock(fps)
    return [clock.time_of(timestamp) for timestamp in timestamps]


def test_times_count_from_the_first_frame():
    assert times([7.0, 7.5, 607.0]) == [0, 0.5, 600]


def test_frames_without_timestamps_have_the_given_rate():
    assert times([None] * 3) == pytest.approx([0, 0.1, 0.2])


def test_after_a_joined_recording_the_time_continues():
    assert times([7.0, 7.1, 7.0, 7.3]) == pytest.approx([0, 0.1, 0.2, 0.5])


def test_where_two_parts_overlap_the_time_stands_still():
    assert times([7.0, 8.0, 7.5, 7.9, 8.5]) == [0, 1, 1, 1, 1.5]


def test_the_next_frame_is_expected_at_the_frame_rate():
    clock = RecordingClock(4)
    assert clock.expected == 0
    clock.time_of(3.0)
    assert clock.expected == 0.25
