"""Series over clips: runs, splitting, smoothing that looks back only."""

import numpy as np
import pytest

from dmad.data.series import by_clip, causal, check_finite, runs, split_clips
from dmad.errors import DmadError


def test_runs_are_half_open_and_may_touch_the_ends():
    assert runs(np.array([1, 1, 0, 0, 1, 0, 1])) == [(0, 2), (4, 5), (6, 7)]
    assert runs(np.zeros(3)) == []
    assert runs(np.array([], bool)) == []


def test_values_are_split_by_the_lengths_of_clips():
    parts = split_clips(np.arange(5), [2, 0, 3])
    assert [part.tolist() for part in parts] == [[0, 1], [], [2, 3, 4]]
    assert len(split_clips(np.arange(5), None)) == 1
    with pytest.raises(DmadError, match="sum to 4 for 5 frames"):
        split_clips(np.arange(5), [2, 2])


def test_a_function_sees_one_clip_at_a_time_and_no_empty_one():
    reverse = by_clip(lambda clip: clip[::-1] + len(clip), np.arange(5.0), np.array([2, 0, 3]))
    assert reverse.tolist() == [3, 2, 7, 6, 5]


def test_infinite_scores_are_refused_and_nan_is_not():
    check_finite(np.array([0.0, np.nan]))
    with pytest.raises(DmadError, match="1 of 2 scores are infinite"):
        check_finite(np.array([0.0, np.inf]))


def test_the_causal_mean_looks_back_inside_a_clip_only():
    smooth = causal(np.array([1.0, 3, 5, 10, 20]), 2, np.array([3, 2]))
    assert smooth.tolist() == [1, 2, 4, 10, 15]
    assert causal(np.array([1.0, 3]), 1).tolist() == [1, 3]


def test_the_causal_mean_leaves_out_unknown_scores():
    smooth = causal(np.array([np.nan, 2.0, np.nan, 4.0]), 3)
    np.testing.assert_allclose(smooth, [np.nan, 2, np.nan, 3])
    with pytest.raises(DmadError, match="window has no frame"):
        causal(np.zeros(3), 0)
