import numpy as np
import pytest

from dmad.data.series import causal
from dmad.errors import DmadError
from dmad.evaluation.published_smoothing import (
    AVENUE_WEIGHTS,
    kalman,
    min_max,
    min_max_per_clip,
    nearest_mean,
    smooth_avenue,
    smooth_joined,
    smooth_whole_windows,
)

NAN = np.nan
LENGTHS = np.array([12, 1, 30, 0, 7])


def scores_with_gaps() -> np.ndarray:
    scores = np.random.default_rng(0).normal(size=50)
    scores[[0, 1, 12, 20, 21, 22, 49]] = NAN
    return scores


def slow_mean(scores, before: int, after: int, lengths) -> list[float]:
    """Frame by frame: the mean of what is known in its window."""
    found, start = [], 0
    for length in lengths:
        for i in range(start, start + length):
            window = scores[max(start, i - before) : min(start + length, i + after + 1)]
            known = [value for value in window if value == value]
            found.append(sum(known) / len(known) if scores[i] == scores[i] else NAN)
        start += length
    return found


@pytest.mark.parametrize("window", [1, 2, 5, 100])
def test_causal_is_the_mean_of_the_last_frames_of_the_clip(window):
    scores = scores_with_gaps()
    expected = slow_mean(scores, window - 1, 0, LENGTHS)
    assert causal(scores, window, LENGTHS) == pytest.approx(expected, nan_ok=True)


def test_causal_by_hand():
    assert causal(np.array([1.0, 3, 8]), 2).tolist() == [1, 2, 5.5]
    assert causal(np.array([NAN, 4, NAN, 2]), 3) == pytest.approx([NAN, 4, NAN, 3], nan_ok=True)


def test_a_window_of_one_changes_nothing():
    scores = scores_with_gaps()
    assert np.array_equal(causal(scores, 1, LENGTHS), scores, equal_nan=True)


def test_causal_never_sees_the_future():
    scores = np.random.default_rng(1).normal(size=40)
    whole = causal(scores, 7)
    assert [causal(scores[:n], 7)[-1] for n in range(1, 41)] == pytest.approx(whole)


def test_clips_are_smoothed_as_if_alone():
    scores = scores_with_gaps()
    parts = np.split(scores, np.cumsum(LENGTHS)[:-1])
    alone = np.concatenate([causal(part, 5) if len(part) else part for part in parts])
    assert np.array_equal(causal(scores, 5, LENGTHS), alone, equal_nan=True)


def test_bad_smoothing_is_refused():
    with pytest.raises(DmadError, match="1 or more"):
        causal(np.zeros(4), 0)
    with pytest.raises(DmadError, match="sum to 3 for 4"):
        causal(np.zeros(4), 2, np.array([1, 2]))


def test_min_max_works_on_each_clip_alone():
    scaled = min_max_per_clip(np.array([1.0, 2, 3, 30, 10, 5, 5]), np.array([3, 2, 0, 2]))
    assert scaled.tolist() == [0, 0.5, 1, 1, 0, 0, 0]
    assert min_max(np.array([4.0, 2])).tolist() == [1, 0]


def test_nearest_mean_by_hand():
    """Window (0, 1, 5) has mean 2: 1 and 0 are nearest; window (1, 5, 6) has 4: 5 and 6."""
    assert nearest_mean(np.array([0.0, 1, 5, 6]), np.ones(3), 2).tolist() == [0.5, 5.5]


def test_nearest_mean_leaves_outliers_out():
    scores = np.zeros(11)
    scores[5] = 100
    assert nearest_mean(scores, np.ones(11), 5).tolist() == [0]


def test_avenue_pads_with_the_edge():
    constant = smooth_avenue(np.full(20, 3.0))
    assert constant == pytest.approx(np.full(20, 3 * np.mean(AVENUE_WEIGHTS[:5])))


def test_whole_windows_leave_normal_at_both_ends():
    smoothed = smooth_whole_windows(np.full(100, 0.7))
    assert np.flatnonzero(smoothed).tolist() == list(range(35, 67))
    assert smoothed[35:67] == pytest.approx(0.7)
    assert not smooth_whole_windows(np.full(68, 0.7)).any()
    assert np.count_nonzero(smooth_whole_windows(np.full(69, 0.7))) == 1


def test_joined_windows_keep_a_constant():
    assert smooth_joined(np.full(10, 0.3), 0.9) == pytest.approx(np.full(10, 0.3))


def test_kalman_follows_a_step_causally():
    step = np.repeat([0.0, 1.0], 100)
    filtered = kalman(step)
    assert not filtered[:100].any()
    assert np.all(np.diff(filtered[100:]) > 0)
    assert filtered[-1] == pytest.approx(1, abs=1e-6)
    settled = (-1e-5 + np.sqrt(1e-10 + 4e-9)) / 2  # P - K P = P⁻, solved for a steady variance
    gain = (settled + 1e-5) / (settled + 1e-5 + 1e-4)
    assert filtered[100] == pytest.approx(gain, rel=1e-3)
