"""The published normalisation and smoothing over time, with their known faults.

All functions work on *normality*: series in which 1 is normal and lower values are more anomalous.
For new data use `dmad.data.series.causal`, which uses no constants, no padding and no other clips.
"""

from __future__ import annotations

import numpy as np

NORMAL = 1.0

PED2_WEIGHTS = np.array([1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1])

AVENUE_WEIGHTS = np.array([0.5, 0.8, 0.8, 1, 1, 2.5, 1, 1, 0.8, 0.8, 0.5])

AVERAGED_FRAMES = 5  # of the 11 frames in a window of Ped2 and Avenue


def normality(scores: np.ndarray) -> np.ndarray:
    """Scale scores (N,) so that the lowest (most normal) score becomes 1, and the highest 0.

    The lowest and the highest score are those of all N frames, also of future frames. Constant
    scores become 1.
    """
    low, high = scores.min(), scores.max()
    if high == low:
        return np.full(len(scores), NORMAL)
    return np.asarray(1 - (scores - low) / (high - low))


def mean_of_nearest(series: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Average, in each window, the `count` values nearest to the plain mean of the window.

    The average is weighted: the sum of the values times their weights is divided by the sum of
    these weights. Only whole windows have a result.

    Args:
        series: (N,), at least W values.
        weights: (W,) weights of a window, in the order of its frames.
        count: Number of values of a window that are averaged.

    Returns:
        (N - W + 1,).
    """
    windows = np.lib.stride_tricks.sliding_window_view(series, len(weights))
    distances = np.abs(windows - windows.mean(axis=1, keepdims=True))
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    values = np.take_along_axis(windows, nearest, axis=1)
    return np.average(values, axis=1, weights=weights[nearest])


def smooth_ped2(series: np.ndarray) -> np.ndarray:
    """Apply the released Ped2 smoother to one channel of the concatenated clips: (N,) to (N,).

    In each window of 11 frames, the 5 values nearest to its mean are averaged. The first 5 frames
    are the constant 1 ("normal"). The last 5 frames repeat the last average. A series with fewer
    than 11 frames is returned unchanged. The smoother has two known faults, which also affect the
    published result: it uses 5 future frames, and it mixes neighbouring clips.
    """
    if len(series) < len(PED2_WEIGHTS):
        return series
    means = mean_of_nearest(series, PED2_WEIGHTS, AVERAGED_FRAMES)
    reach = len(PED2_WEIGHTS) // 2
    return np.concatenate((np.full(reach, NORMAL), means, np.full(reach, means[-1])))


def smooth_avenue(series: np.ndarray) -> np.ndarray:
    """Apply the released Avenue smoother to the concatenated clips: (N,) to (N,).

    This smoother works like `smooth_ped2` with other weights, but the first 5 frames repeat the
    first average. It has the same known faults.
    """
    if len(series) < len(AVENUE_WEIGHTS):
        return series
    means = mean_of_nearest(series, AVENUE_WEIGHTS, AVERAGED_FRAMES)
    return np.pad(means, len(AVENUE_WEIGHTS) // 2, mode="edge")


def smooth_shanghaitech(series: np.ndarray, window: int, count: int) -> np.ndarray:
    """Apply the released ShanghaiTech smoother to one clip or to the concatenated clips.

    In each window, the `count` values nearest to its mean are averaged without weights. The average
    of the window that starts at frame i belongs to frame i + (window + 1) // 2. All other frames,
    at both ends, are the constant 1, so they are always classified as normal.

    Args:
        series: (N,).
        window: Number of frames of a window.
        count: Number of values of a window that are averaged.

    Returns:
        (N,).
    """
    smoothed = np.full(len(series), NORMAL)
    if len(series) >= window:
        means = mean_of_nearest(series, np.ones(window), count)
        first = (window + 1) // 2
        smoothed[first : first + len(means)] = means
    return smoothed


def kalman(series: np.ndarray, process: float = 1e-5, measured: float = 1e-4) -> np.ndarray:
    """Apply the released scalar Kalman filter for a random walk to one clip: (N,) to (N,).

    The filter starts at the second frame, from the state 0 with variance 1. The first frame keeps
    its value. The filter uses past frames only.

    Args:
        series: (N,), at least one value.
        process: Variance Q of a step of the random walk.
        measured: Variance R of a measurement.
    """
    state, variance = 0.0, 1.0
    filtered = series.astype(float)
    for index in range(1, len(series)):
        variance += process
        gain = variance / (variance + measured)
        state += gain * (series[index] - state)
        variance *= 1 - gain
        filtered[index] = state
    return filtered
