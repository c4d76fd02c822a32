import numpy as np
import pytest

from dmad.evaluation.published_smoothing import (
    kalman,
    mean_of_nearest,
    normality,
    smooth_avenue,
    smooth_ped2,
    smooth_shanghaitech,
)


def test_normality_is_1_for_the_lowest_and_0_for_the_highest_score():
    assert normality(np.array([1.0, 2, 3])).tolist() == [1, 0.5, 0]
    assert normality(np.array([5.0, 5])).tolist() == [1, 1]
    assert normality(np.array([4.0, 2])).tolist() == [0, 1]


def test_the_mean_of_the_nearest_values_equals_one_computed_by_hand():
    """The two windows of three values have the means 2 and 4.

    In (0, 1, 5), the values 1 and 0 are nearest to 2. In (1, 5, 6), 5 and 6 are nearest to 4.
    """
    assert mean_of_nearest(np.array([0.0, 1, 5, 6]), np.ones(3), 2).tolist() == [0.5, 5.5]


def test_weights_count_in_the_average_but_do_not_choose_its_values():
    """The plain mean of (0, 1, 5) is 2, so 0 and 1 are averaged: (1 * 0 + 3 * 1) / (1 + 3).

    The weighted mean (1 * 0 + 3 * 1 + 9 * 5) / 13 = 3.7 would choose 5 and 1.
    """
    assert mean_of_nearest(np.array([0.0, 1, 5]), np.array([1.0, 3, 9]), 2).tolist() == [0.75]


def test_outliers_are_left_out():
    series = np.ones(11)
    series[5] = 0
    assert mean_of_nearest(series, np.ones(11), 5).tolist() == [1]


def test_the_ped2_smoother_begins_with_normal_and_repeats_its_last_average():
    series = np.linspace(0.9, 0.1, 30)
    smoothed = smooth_ped2(series)
    assert smoothed.shape == series.shape
    assert smoothed[:5].tolist() == [1] * 5
    assert smoothed[5:-5] == pytest.approx(series[5:-5])
    assert smoothed[-5:].tolist() == [smoothed[24]] * 5


def test_the_avenue_smoother_repeats_its_first_and_last_average():
    series = np.linspace(0.9, 0.1, 30)
    smoothed = smooth_avenue(series)
    assert smoothed[5:-5] == pytest.approx(series[5:-5])
    assert smoothed[:5].tolist() == [smoothed[5]] * 5
    assert smoothed[-5:].tolist() == [smoothed[24]] * 5


def test_a_series_shorter_than_a_window_stays_as_it_is():
    series = np.linspace(1, 0, 10)
    assert smooth_ped2(series).tolist() == series.tolist()
    assert smooth_avenue(series).tolist() == series.tolist()


@pytest.mark.parametrize(("window", "first"), [(69, 35), (55, 28)])
def test_shanghaitech_keeps_normal_at_both_ends(window, first):
    """100 frames have 101 - window whole windows. The first of them is at the frame `first`."""
    smoothed = smooth_shanghaitech(np.full(100, 0.3), window, 25)
    places = np.flatnonzero(smoothed != 1)
    assert places.tolist() == list(range(first, first + 101 - window))
    assert smoothed[places] == pytest.approx(0.3)


def test_a_clip_shorter_than_a_window_is_normal_on_shanghaitech():
    assert smooth_shanghaitech(np.full(68, 0.3), 69, 25).tolist() == [1] * 68
    assert np.count_nonzero(smooth_shanghaitech(np.full(69, 0.3), 69, 25) != 1) == 1


def test_the_kalman_filter_starts_at_the_second_frame_from_0():
    filtered = kalman(np.array([0.4, 0.8]))
    assert filtered.tolist() == [0.4, 0.8 * 1.00001 / 1.00011]
    assert kalman(np.array([0.4])).tolist() == [0.4]


def test_the_kalman_filter_follows_a_step_causally():
    step = np.repeat([0.0, 1.0], 100)
    filtered = kalman(step)
    assert not filtered[:100].any()
    assert np.all(np.diff(filtered[100:]) > 0)
    assert filtered[-1] == pytest.approx(1, abs=1e-6)
    settled = (-1e-5 + np.sqrt(1e-10 + 4e-9)) / 2  # P - K P = P⁻, solved for a steady variance
    gain = (settled + 1e-5) / (settled + 1e-5 + 1e-4)
    assert filtered[100] == pytest.approx(gain, rel=1e-3)
