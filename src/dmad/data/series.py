"""Arrays with one value per frame: abnormal intervals, splitting into clips, causal smoothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dmad.errors import require


def intervals(abnormal: np.ndarray) -> list[tuple[int, int]]:
    """Find the intervals of values above 0 in an array (N,).

    Returns:
        Start and stop of each interval: its first index, and the index after its last.
    """
    borders = np.flatnonzero(np.diff(np.pad(abnormal > 0, 1).astype(np.int8)))
    return [(start, stop) for start, stop in borders.reshape(-1, 2).tolist()]


def split_clips(
    values: np.ndarray, clip_lengths: Sequence[int] | np.ndarray | None
) -> list[np.ndarray]:
    """Split values (N, ...) into clips. If `clip_lengths` is None, there is one clip.

    Raises:
        DmadError: The lengths do not sum to N.
    """
    lengths = np.asarray([len(values)] if clip_lengths is None else clip_lengths, int)
    require(
        int(lengths.sum()) == len(values),
        f"clip_lengths sum to {int(lengths.sum())} for {len(values)} frames; give the number of "
        "frames of each clip",
    )
    return np.split(values, np.cumsum(lengths)[:-1])


def check_finite(scores: np.ndarray) -> None:
    """Raise `DmadError` if a score is infinite. NaN is allowed."""
    infinite = int(np.isinf(scores).sum())
    require(
        infinite == 0,
        f"{infinite} of {scores.size} scores are infinite; give numbers, or NaN for no score",
    )


def by_clip(
    function: Callable[[np.ndarray], np.ndarray],
    scores: np.ndarray,
    clip_lengths: np.ndarray | None,
) -> np.ndarray:
    """Apply a function to the scores of each clip: (N,) to (N,). Empty clips are left out.

    Raises:
        DmadError: The lengths do not sum to N.
    """
    clips = split_clips(scores, clip_lengths)
    return np.concatenate([function(clip) if len(clip) else clip for clip in clips])


def causal(scores: np.ndarray, window: int, clip_lengths: np.ndarray | None = None) -> np.ndarray:
    """Replace each score by its mean with the `window` - 1 scores before it in the same clip.

    At the start of a clip, fewer scores exist. There, the mean of the existing scores is used.

    Args:
        scores: (N,). A NaN stays NaN and is left out of the means of other frames.
        window: Number of frames, 1 or more. 1 changes nothing.
        clip_lengths: (K,) number of frames of each clip; their sum is N. None: one clip.

    Returns:
        (N,) float64, in the unit of the scores.

    Raises:
        DmadError: `window` is below 1, or the lengths do not sum to N.
    """
    require(window >= 1, f"a smoothing window of {window} frames is too short; give 1 or more")
    kernel = np.ones(window)

    def smooth(clip: np.ndarray) -> np.ndarray:
        known = ~np.isnan(clip)
        total = np.convolve(np.where(known, clip, 0.0), kernel)[: len(clip)]
        count = np.convolve(known.astype(float), kernel)[: len(clip)]
        return np.where(known, total / np.maximum(count, 1), np.nan)

    return by_clip(smooth, scores, clip_lengths)
