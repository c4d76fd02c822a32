"""The published smoothing and normalisation, with their known faults.

For new data use `dmad.data.series.causal`, which uses no constants, no padding and no other clips.
"""

from __future__ import annotations

import numpy as np

PED2_WEIGHTS = np.array([1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1])

AVENUE_WEIGHTS = np.array([0.5, 0.8, 0.8, 1, 1, 2.5, 1, 1, 0.8, 0.8, 0.5])

AVERAGED_FRAMES = 5  # of the 11 frames in a window of Ped2 and Avenue
SHANGHAITECH_FRAMES_BEFORE = 35  # of the first ShanghaiTech window, 69 frames in total
SHANGHAITECH_FRAMES_AFTER = 33
NORMAL = 0.0  # the constant that the released code uses for "normal", after min-max


def min_max(scores: np.ndarray) -> np.ndarray:
    """Scale scores (N,) to [0, 1] with the minimum and maximum of all frames, also future frames.

    Constant scores become 0.
    """
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def mean_of_nearest(padded: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Average, in each window, the `count` values nearest to the window's weighted mean.

    Each of these values is multiplied by its weight.

    The weights of the averaged values are not normalised again, as in the released code.

    Args:
        padded: (N + W - 1,) scores, padded at both ends.
        weights: (W,) weights of a window, in the order of its frames.
        count: Number of values of a window that are averaged.

    Returns:
        (N,).
    """
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights))
    mean = windows @ weights / weights.sum()
    nearest = np.argsort(np.abs(windows - mean[:, None]), 1, kind="stable")[:, :count]
    smoothed: np.ndarray = np.take_along_axis(windows * weights, nearest, 1).mean(1)
    return smoothed


def smooth_ped2(scores: np.ndarray) -> np.ndarray:
    """Apply the released Ped2 smoother to one channel of the concatenated clips: (N,) to (N,).

    In each window of 11 frames, the 5 values nearest to its weighted mean are weighted and
    averaged. Known faults, which the published result has too: it uses 5 future frames, it mixes
    neighbouring clips, and it pads the start with "normal" (0) and the end with the last value.
    """
    reach = len(PED2_WEIGHTS) // 2
    padded = np.concatenate((np.full(reach, NORMAL), scores, np.full(reach, scores[-1])))
    return mean_of_nearest(padded, PED2_WEIGHTS, AVERAGED_FRAMES)


def smooth_avenue(scores: np.ndarray) -> np.ndarray:
    """Apply the released Avenue smoother to the concatenated clips: (N,) to (N,).

    It works like `smooth_ped2` with other weights, and pads with the first and the last value.
    Known faults: it uses 5 future frames and mixes neighbouring clips.
    """
    padded = np.pad(scores, len(AVENUE_WEIGHTS) // 2, mode="edge")
    return mean_of_nearest(padded, AVENUE_WEIGHTS, AVERAGED_FRAMES)


def smooth_whole_windows(scores: np.ndarray, share: float = 0.36) -> np.ndarray:
    """Apply the first released ShanghaiTech smoother to one clip: (N,) to (N,).

    A window has 35 frames before a frame, the frame itself, and 33 frames after it. A `share` of
    these frames is averaged (rounded down to whole frames): the scores nearest to the mean of the
    window. Known faults: it uses 33 future frames. If the window is incomplete (35 frames at the
    start of every clip, 33 at its end, all frames of a clip with fewer than 69), the score is the
    constant "normal" (0), so these frames are always classified as normal.
    """
    before, after = SHANGHAITECH_FRAMES_BEFORE, SHANGHAITECH_FRAMES_AFTER
    window = before + 1 + after
    smoothed = np.full(len(scores), NORMAL)
    if len(scores) >= window:
        inner = mean_of_nearest(scores, np.ones(window), int(share * window))
        smoothed[before : len(scores) - after] = inner
    return smoothed


def smooth_joined(scores: np.ndarray, share: float, window: int = 55) -> np.ndarray:
    """Apply the second released ShanghaiTech smoother to the concatenated clips: (N,) to (N,).

    In each window, a `share` of the scores is averaged (rounded down to whole frames): the scores
    nearest to the mean of the window. The clips are padded with the first and the last value. Known
    faults: it uses future frames and mixes neighbouring clips.
    """
    padded = np.pad(scores, window // 2, mode="edge")
    return mean_of_nearest(padded, np.ones(window), int(share * window))


def kalman(scores: np.ndarray, process: float = 1e-5, measured: float = 1e-4) -> np.ndarray:
    """Apply a scalar Kalman filter for a random walk to one clip: (N,) to (N,).

    It uses past frames only.

    Args:
        scores: (N,), at least one. The first score is the initial state, with variance 1.
        process: Variance Q of a step of the random walk.
        measured: Variance R of a measurement.
    """
    state, variance = scores[0], 1.0
    filtered = np.empty(len(scores))
    for index, score in enumerate(scores):
        variance += process
        gain = variance / (variance + measured)
        state += gain * (score - state)
        variance *= 1 - gain
        filtered[index] = state
    return filtered
