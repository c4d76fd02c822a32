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
    normality,
    smooth_avenue,
    smooth_ped2,
    smooth_shanghaitech,
)

Channels = Mapping[str, np.ndarray]  # frame scores of the released code by name, (N,) each

WEIGHTS = {"deformation": 0.2, "reconstruction": 0.4, "gradient": 0.6}


def published(
    recipe: str, channels: Channels, clip_lengths: np.ndarray, smooth: bool = True
) -> np.ndarray:
    """Return frame scores (N,) after the published post-processing of a data set.

    Larger scores are more anomalous. All scores are 0 or negative. The protocol scales each channel
    to 1 for normal frames. The score is minus the weighted sum of the channels.

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
    return -PROTOCOLS[recipe](channels, clip_lengths, smooth)


def ped2(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Return the normality (N,) of Ped2: the weighted sum of three channels.

    Each channel is scaled per clip, then smoothed over the concatenated clips (`smooth_ped2`).
    """

    def prepare(channel: np.ndarray) -> np.ndarray:
        scaled = by_clip(normality, channel, clip_lengths)
        return smooth_ped2(scaled) if smooth else scaled

    return _weighted(channels, NEEDED_CHANNELS["ped2"], prepare)


def avenue(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Return the normality (N,) of Avenue: the weighted sum of two channels, without `gradient`.

    Each channel is scaled over the whole test set. Both channels and their sum are smoothed over
    the concatenated clips (`smooth_avenue`).
    """

    def prepare(channel: np.ndarray) -> np.ndarray:
        return smooth_avenue(normality(channel)) if smooth else normality(channel)

    total = _weighted(channels, NEEDED_CHANNELS["avenue"], prepare)
    return smooth_avenue(total) if smooth else total


def shanghaitech(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Return the normality (N,) of ShanghaiTech: the weighted sum of three channels.

    Each channel is scaled per clip. It is smoothed by `smooth_shanghaitech` per clip (window 69,
    nearest 25 values), then over the concatenated clips (window 55, nearest 49). The sum is
    smoothed over the concatenated clips (window 55, nearest 27), then by a Kalman filter per clip.
    The sum is 1.2 for normal frames. But its smoothing by `smooth_shanghaitech` sets the first and
    last frames of the concatenated clips to 1, as in the released code.
    """

    def smooth_clip(clip: np.ndarray) -> np.ndarray:
        return smooth_shanghaitech(clip, window=69, count=25)

    def prepare(channel: np.ndarray) -> np.ndarray:
        scaled = by_clip(normality, channel, clip_lengths)
        if not smooth:
            return scaled
        return smooth_shanghaitech(by_clip(smooth_clip, scaled, clip_lengths), window=55, count=49)

    total = _weighted(channels, NEEDED_CHANNELS["shanghaitech"], prepare)
    if not smooth:
        return total
    return by_clip(kalman, smooth_shanghaitech(total, window=55, count=27), clip_lengths)


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
