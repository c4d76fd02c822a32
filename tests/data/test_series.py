import numpy as np
import pytest

from dmad.data.series import by_clip, causal, check_finite, intervals, split_clips
from dmad.errors import DmadError

NAN = np.nan
LENGTHS = np.array([12, 1, 30, 0, 7])


def scores_with_gaps() -> np.ndarray:
    scores = np.random.default_rng(0).normal(size=50)
    scores[[0, 1, 12, 20, 21, 22, 49]] = NAN
    return scores


def slow_mean(scores, before: int, after: int, lengths) -> list[float]:
    """For each frame, the mean of the known scores in its window, computed in a loop."""
    found, start = [], 0
    for length in lengths:
        for i in range(start, start + length):
            window = scores[max(start, i - before) : min(start + length, i + after + 1)]
            known = [value for value in window if value == value]
            found.append(sum(known) / len(known) if scores[i] == scores[i] else NAN)
        start += length
    return found


@pytest.mark.parametrize("window", [1, 2, 5, 100])
def test_the_causal_mean_averages_the_last_frames_of_the_clip(window):
    scores = scores_with_gaps()
    expected = slow_mean(scores, window - 1, 0, LENGTHS)
    assert causal(scores, window, LENGTHS) == pytest.approx(expected, nan_ok=True)


def test_the_causal_mean_equals_one_computed_by_hand():
    assert causal(np.array([1.0, 3, 8]), 2).tolist() == [1, 2, 5.5]
    assert causal(np.array([NAN, 4, NAN, 2]), 3) == pytest.approx([NAN, 4, NAN, 3], nan_ok=True)


def test_a_window_of_one_changes_nothing():
    scores = scores_with_gaps()
    assert np.array_equal(causal(scores, 1, LENGTHS), scores, equal_nan=True)


def test_the_causal_mean_uses_no_future_frame():
    scores = np.random.default_rng(1).normal(size=40)
    whole = causal(scores, 7)
    assert [causal(scores[:n], 7)[-1] for n in range(1, 41)] == pytest.approx(whole)


def test_each_clip_is_smoothed_separately():
    scores = scores_with_gaps()
    parts = np.split(scores, np.cumsum(LENGTHS)[:-1])
    alone = np.concatenate([causal(part, 5) if len(part) else part for part in parts])
    assert np.array_equal(causal(scores, 5, LENGTHS), alone, equal_nan=True)


def test_a_bad_window_or_bad_lengths_are_refused():
    with pytest.raises(DmadError, match="1 or more"):
        causal(np.zeros(4), 0)
    with pytest.raises(DmadError, match="sum to 3 for 4"):
        causal(np.zeros(4), 2, np.array([1, 2]))


def test_values_are_split_into_clips():
    scores = scores_with_gaps()
    assert [len(clip) for clip in split_clips(scores, LENGTHS)] == LENGTHS.tolist()
    assert len(split_clips(scores, None)) == 1
    with pytest.raises(DmadError, match="sum to 3 for 4 frames"):
        split_clips(np.zeros(4), [1, 2])


def test_infinite_scores_are_refused_and_nan_is_not():
    check_finite(scores_with_gaps())
    with pytest.raises(DmadError, match="2 of 3 scores are infinite"):
        check_finite(np.array([1, np.inf, -np.inf]))


def test_intervals_contain_values_above_zero():
    assert intervals(np.array([0, 1, 1, 0, 2])) == [(1, 3), (4, 5)]
    assert intervals(np.zeros(3)) == []


def test_a_function_is_applied_to_one_clip_at_a_time_and_to_no_empty_one():
    reverse = by_clip(lambda clip: clip[::-1] + len(clip), np.arange(5.0), np.array([2, 0, 3]))
    assert reverse.tolist() == [3, 2, 7, 6, 5]
