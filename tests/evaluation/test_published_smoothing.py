import numpy as np
import pytest

from dmad.evaluation.published_smoothing import (
    AVENUE_WEIGHTS,
    kalman,
    mean_of_nearest,
    min_max,
    smooth_avenue,
    smooth_joined,
    smooth_whole_windows,
)


def test_min_max_scales_to_0_and_1():
    assert min_max(np.array([1.0, 2, 3])).tolist() == [0, 0.5, 1]
    assert min_max(np.array([5.0, 5])).tolist() == [0, 0]
    assert min_max(np.array([4.0, 2])).tolist() == [1, 0]


def test_the_mean_of_the_nearest_values_equals_one_computed_by_hand():
    """Window (0, 1, 5) has mean 2: 1 and 0 are nearest; window (1, 5, 6) has 4: 5 and 6."""
    assert mean_of_nearest(np.array([0.0, 1, 5, 6]), np.ones(3), 2).tolist() == [0.5, 5.5]


def test_outliers_are_left_out():
    scores = np.zeros(11)
    scores[5] = 100
    assert mean_of_nearest(scores, np.ones(11), 5).tolist() == [0]


def test_the_avenue_smoother_pads_with_the_value_at_each_end():
    constant = smooth_avenue(np.full(20, 3.0))
    assert constant == pytest.approx(np.full(20, 3 * np.mean(AVENUE_WEIGHTS[:5])))


def test_incomplete_windows_get_the_constant_for_normal():
    smoothed = smooth_whole_windows(np.full(100, 0.7))
    assert np.flatnonzero(smoothed).tolist() == list(range(35, 67))
    assert smoothed[35:67] == pytest.approx(0.7)
    assert not smooth_whole_windows(np.full(68, 0.7)).any()
    assert np.count_nonzero(smooth_whole_windows(np.full(69, 0.7))) == 1


def test_a_constant_stays_as_it_is_in_joined_windows():
    assert smooth_joined(np.full(10, 0.3), 0.9) == pytest.approx(np.full(10, 0.3))


def test_the_kalman_filter_follows_a_step_causally():
    step = np.repeat([0.0, 1.0], 100)
    filtered = kalman(step)
    assert not filtered[:100].any()
    assert np.all(np.diff(filtered[100:]) > 0)
    assert filtered[-1] == pytest.approx(1, abs=1e-6)
    settled = (-1e-5 + np.sqrt(1e-10 + 4e-9)) / 2  # P - K P = P⁻, solved for a steady variance
    gain = (settled + 1e-5) / (settled + 1e-5 + 1e-4)
    assert filtered[100] == pytest.approx(gain, rel=1e-3)
