import av
import numpy as np
import pytest

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.source_frames import (
    LONGEST_SIDE,
    RateLimiter,
    Source,
    picture_for_people,
    shortest_gap,
)


def accepted_times(
    fps: float, source_fps: float, seconds: float = 10.0, jitter: float = 0.0
) -> np.ndarray:
    limiter = RateLimiter(fps, source_fps)
    count = round(seconds * source_fps)
    noise = np.random.default_rng(0).uniform(-jitter, jitter, count)
    times = np.arange(count) / source_fps + noise
    return np.array([time for time in times if limiter.accepts(time)])


def test_faster_sources_are_thinned_evenly():
    assert len(accepted_times(10, 25)) == 100
    assert np.diff(accepted_times(10, 30)) == pytest.approx(0.1)
    assert np.diff(accepted_times(10, 25)).max() < 0.13
    assert len(accepted_times(10, 12.5)) == 100


def test_a_rate_of_zero_accepts_all_frames():
    assert len(accepted_times(0, 25)) == 250


def test_slower_sources_and_nearly_equal_rates_lose_no_frame():
    assert len(accepted_times(10, 5)) == 50
    assert len(accepted_times(25, 24)) == 240
    assert len(accepted_times(10, 10, jitter=0.02)) == 100


def test_after_a_pause_no_additional_frames_are_accepted():
    limiter = RateLimiter(10, 25)
    times = [*np.arange(25) / 25, *(100 + np.arange(25) / 25)]
    accepted = [time for time in times if limiter.accepts(time)]
    assert 10 <= sum(time >= 100 for time in accepted) <= 11


def test_a_gap_is_a_second_or_three_frames():
    assert [shortest_gap(fps) for fps in (25, 3, 2, 0.5)] == [1, 1, 1.5, 6]


@pytest.mark.parametrize(
    ("target", "source_fps", "given"), [(10, 25, 10), (10, 5, 5), (10, 0, 10), (0, 25, 25)]
)
def test_a_source_gives_the_lower_of_both_rates(target, source_fps, given):
    source = Source(FrameFormat(32, 1), target_fps=target)
    source.source_fps = source_fps
    assert source.fps == given


def test_pictures_for_people_are_small_whichever_side_is_longer():
    assert picture_for_people(av.VideoFrame(360, 1280, "rgb24")).shape == (LONGEST_SIDE, 180, 3)
    assert picture_for_people(av.VideoFrame(1280, 360, "rgb24")).shape == (180, LONGEST_SIDE, 3)
    assert picture_for_people(av.VideoFrame(64, 48, "rgb24")).shape == (48, 64, 3)
