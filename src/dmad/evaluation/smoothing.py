"""Smoothing and normalisation of frame scores, the published ones with their published faults."""

from __future__ import annotations

import numpy as np

PED2_WEIGHTS = np.array([1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1])
KEPT = 5


def min_max(scores: np.ndarray) -> np.ndarray:
    """Scale to [0, 1]; uses the whole series, so the future too. Constant series become 0."""
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def min_max_per_clip(scores: np.ndarray, clip_lengths: np.ndarray) -> np.ndarray:
    """`min_max` of each clip by itself: (N,) to (N,)."""
    clips = np.split(scores, np.cumsum(clip_lengths)[:-1])
    return np.concatenate([min_max(clip) for clip in clips])


def smooth_ped2(scores: np.ndarray) -> np.ndarray:
    """The released Ped2 smoother over one channel of the concatenated clips: (N,) to (N,).

    Of each window of 11 frames, the 5 values nearest to its weighted mean, weighted and averaged.
    Known faults, kept because the published figure has them: it sees 5 frames of the future, it
    leaks across clips, and it pads the front with "normal" (0) and the end with the last value.
    """
    reach = len(PED2_WEIGHTS) // 2
    padded = np.concatenate((np.zeros(reach), scores, np.full(reach, scores[-1])))
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(PED2_WEIGHTS))
    mean = windows @ PED2_WEIGHTS / PED2_WEIGHTS.sum()
    kept = np.argsort(np.abs(windows - mean[:, None]), 1, kind="stable")[:, :KEPT]
    smoothed: np.ndarray = np.take_along_axis(windows * PED2_WEIGHTS, kept, 1).mean(1)
    return smoothed
