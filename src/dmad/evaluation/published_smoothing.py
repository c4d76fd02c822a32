"""Smoothing and normalisation of frame scores.

`causal` is for use: no constants, no padding, never across clips. The others are the published
ones, with their published faults named.
"""

from __future__ import annotations

import numpy as np

from dmad.data.series import by_clip

PED2_WEIGHTS = np.array([1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1])

AVENUE_WEIGHTS = np.array([0.5, 0.8, 0.8, 1, 1, 2.5, 1, 1, 0.8, 0.8, 0.5])

KEPT = 5  # of those 11 frames

SHANGHAITECH_REACH = (35, 33)  # frames before and after: the first window, of 69

NORMAL = 0.0  # the constant that the released code takes for "normal", after min-max


def min_max(scores: np.ndarray) -> np.ndarray:
    """Scale to [0, 1]; uses the whole series, so the future too. Constant series become 0."""
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def min_max_per_clip(scores: np.ndarray, clip_lengths: np.ndarray) -> np.ndarray:
    """`min_max` of each clip by itself: (N,) to (N,)."""
    return by_clip(min_max, scores, clip_lengths)


def nearest_mean(padded: np.ndarray, weights: np.ndarray, kept: int) -> np.ndarray:
    """Of each window the `kept` values nearest to its weighted mean, weighted and averaged.

    The weights of those kept are not brought back to a mean of 1: so the published figure has it.

    Args:
        padded: (N + W - 1,) scores with what stands before and after them.
        weights: (W,), oldest frame first.
        kept: Values that count, of W.

    Returns:
        (N,).
    """
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights))
    mean = windows @ weights / weights.sum()
    near = np.argsort(np.abs(windows - mean[:, None]), 1, kind="stable")[:, :kept]
    smoothed: np.ndarray = np.take_along_axis(windows * weights, near, 1).mean(1)
    return smoothed


def smooth_ped2(scores: np.ndarray) -> np.ndarray:
    """The released Ped2 smoother over one channel of the concatenated clips: (N,) to (N,).

    Of each window of 11 frames, the 5 values nearest to its weighted mean, weighted and averaged.
    Known faults, kept because the published figure has them: it sees 5 frames of the future, it
    leaks across clips, and it pads the front with "normal" (0) and the end with the last value.
    """
    reach = len(PED2_WEIGHTS) // 2
    padded = np.concatenate((np.full(reach, NORMAL), scores, np.full(reach, scores[-1])))
    return nearest_mean(padded, PED2_WEIGHTS, KEPT)


def smooth_avenue(scores: np.ndarray) -> np.ndarray:
    """The released Avenue smoother over the concatenated clips: (N,) to (N,).

    As `smooth_ped2`, with its own weights and both ends padded with the value there. Known faults:
    it sees 5 frames of the future and leaks across clips.
    """
    padded = np.pad(scores, len(AVENUE_WEIGHTS) // 2, mode="edge")
    return nearest_mean(padded, AVENUE_WEIGHTS, KEPT)


def smooth_whole_windows(scores: np.ndarray, share: float = 0.36) -> np.ndarray:
    """The first released ShanghaiTech smoother, over one clip: (N,) to (N,).

    Of 35 frames before, the frame and 33 after, the `share` nearest to their mean, averaged
    (rounded down to whole frames). Known faults: it sees 33 frames of the future, and where its
    window is not whole (35 frames at the start of every clip, 33 at its end, all of a clip below
    69) the score is the constant "normal" (0), which counts as a detection of the normal.
    """
    before, after = SHANGHAITECH_REACH
    window = before + 1 + after
    smoothed = np.full(len(scores), NORMAL)
    if len(scores) >= window:
        inner = nearest_mean(scores, np.ones(window), int(share * window))
        smoothed[before : len(scores) - after] = inner
    return smoothed


def smooth_joined(scores: np.ndarray, share: float, window: int = 55) -> np.ndarray:
    """The second released ShanghaiTech smoother, over the concatenated clips: (N,) to (N,).

    Of each window, the `share` nearest to its mean, averaged (rounded down to whole frames), the
    ends padded with the value there. Known faults: it sees the future and leaks across clips.
    """
    padded = np.pad(scores, window // 2, mode="edge")
    return nearest_mean(padded, np.ones(window), int(share * window))


def kalman(scores: np.ndarray, process: float = 1e-5, measured: float = 1e-4) -> np.ndarray:
    """A scalar Kalman filter for a random walk, over one clip: (N,) to (N,); causal.

    Args:
        scores: (N,), at least one; the first is the starting state, with variance 1.
        process: Variance Q of a step of the walk.
        measured: Variance R of a measurement.
    """
    state, variance, filtered = scores[0], 1.0, np.empty(len(scores))
    for i, score in enumerate(scores):
        variance += process
        gain = variance / (variance + measured)
        state += gain * (score - state)
        variance *= 1 - gain
        filtered[i] = state
    return filtered
