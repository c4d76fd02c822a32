"""The published post-processing of each data set, for comparison with the literature.

All protocols use the test set itself (min-max) and future frames (smoothing), so they cannot be
used in practice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dmad.data.series import by_clip
from dmad.errors import require
from dmad.evaluation.published_smoothing import (
    kalman,
    min_max,
    smooth_avenue,
    smooth_joined,
    smooth_ped2,
    smooth_whole_windows,
)

Channels = Mapping[str, np.ndarray]  # frame scores of the released code by name, (N,) each

WEIGHTS = {"deformation": 0.2, "reconstruction": 0.4, "gradient": 0.6}


def published(
    recipe: str, channels: Channels, clip_lengths: np.ndarray, smooth: bool = True
) -> np.ndarray:
    """Return frame scores (N,) after the published post-processing of a data set.

    Args:
        recipe: One of `PROTOCOLS`: `ped2`, `avenue`, `shanghaitech`.
        channels: `deformation`, `reconstruction` and (except for Avenue) `gradient`, (N,) each,
            without NaN: only frames that have a score.
        clip_lengths: (K,) number of frames of each clip; their sum is N.
        smooth: If False, there is no smoothing over time.

    Raises:
        DmadError: There is no such protocol, or a channel is missing, has another length or NaN.
    """
    known = ", ".join(PROTOCOLS)
    require(recipe in PROTOCOLS, f"no published protocol for {recipe!r}; there is one for {known}")
    needed = NEEDED_CHANNELS[recipe]
    total = int(np.sum(clip_lengths))
    for name in needed:
        require(name in channels, f"no channel {name!r}; {recipe} needs {', '.join(needed)}")
        values = channels[name]
        require(
            values.shape == (total,) and bool(np.isfinite(values).all()),
            f"channel {name!r} has shape {values.shape} or gaps; give a number for each of the "
            f"{total} frames, and leave out frames without a score",
        )
    return PROTOCOLS[recipe](channels, clip_lengths, smooth)


def ped2(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Apply min-max per clip and `smooth_ped2` to each channel; return the weighted sum."""

    def prepare(channel: np.ndarray) -> np.ndarray:
        scaled = by_clip(min_max, channel, clip_lengths)
        return smooth_ped2(scaled) if smooth else scaled

    return _weighted(channels, NEEDED_CHANNELS["ped2"], prepare)


def avenue(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Apply min-max over the whole test set; smooth both channels and their sum.

    The sum is .2 deformation + .4 reconstruction ("patch"). Two things are assumed, because the
    source does not state them: `smooth_avenue` runs over the concatenated clips, as for Ped2, and
    it selects and averages values in the same way as `smooth_ped2`.
    """

    def prepare(channel: np.ndarray) -> np.ndarray:
        return smooth_avenue(min_max(channel)) if smooth else min_max(channel)

    total = _weighted(channels, NEEDED_CHANNELS["avenue"], prepare)
    return smooth_avenue(total) if smooth else total


def shanghaitech(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Apply min-max per clip and four smoothers; the weights of the sum are .2 / .4 / .6.

    Each channel is smoothed per clip (window 69, nearest 36 %), then over the concatenated clips
    (window 55, nearest 90 %). Their sum is smoothed over the concatenated clips (window 55, nearest
    half), then by a Kalman filter per clip. The following is assumed, because the source does not
    state it: min-max comes first; only the first smoother writes the constant "normal", and the
    later smoothers blur it; windows have no weights; shares are rounded down to whole frames;
    windows over joined clips are padded with the first and the last value; the Kalman filter
    starts each clip at its first value.
    """

    def prepare(channel: np.ndarray) -> np.ndarray:
        scaled = by_clip(min_max, channel, clip_lengths)
        if not smooth:
            return scaled
        return smooth_joined(by_clip(smooth_whole_windows, scaled, clip_lengths), 0.9)

    total = _weighted(channels, NEEDED_CHANNELS["shanghaitech"], prepare)
    return by_clip(kalman, smooth_joined(total, 0.5), clip_lengths) if smooth else total


def _weighted(
    channels: Channels, names: tuple[str, ...], prepare: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    total: np.ndarray = np.sum([WEIGHTS[name] * prepare(channels[name]) for name in names], axis=0)
    return total


PROTOCOLS: dict[str, Callable[[Channels, np.ndarray, bool], np.ndarray]] = {
    "ped2": ped2,
    "avenue": avenue,
    "shanghaitech": shanghaitech,
}

NEEDED_CHANNELS = {
    "ped2": ("deformation", "reconstruction", "gradient"),
    "avenue": ("deformation", "reconstruction"),
    "shanghaitech": ("deformation", "reconstruction", "gradient"),
}
