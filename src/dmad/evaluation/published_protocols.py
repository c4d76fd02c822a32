"""The published post-processing of each data set, protocol `paper`, to compare with others.

All of it uses the test set itself (min-max) and the future (smoothing): never for deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dmad.data.series import by_clip
from dmad.errors import require
from dmad.evaluation.published_smoothing import (
    kalman,
    min_max,
    min_max_per_clip,
    smooth_avenue,
    smooth_joined,
    smooth_ped2,
    smooth_whole_windows,
)

Channels = Mapping[str, np.ndarray]  # the released frame scores by name, (N,) each

WEIGHTS = {"deformation": 0.2, "reconstruction": 0.4, "gradient": 0.6}


def published(
    recipe: str, channels: Channels, clip_lengths: np.ndarray, smooth: bool = True
) -> np.ndarray:
    """Frame scores (N,) under the published post-processing of a data set.

    Args:
        recipe: One of `PROTOCOLS`: `ped2`, `avenue`, `shanghaitech`.
        channels: `deformation`, `reconstruction` and (all but Avenue) `gradient`, each (N,), of
            every frame that has a score: no gaps.
        clip_lengths: Frames of each clip, (K,); they sum to N.
        smooth: False leaves all temporal smoothing out.

    Raises:
        DmadError: No such protocol, a channel is missing, of another length, or has gaps.
    """
    known = ", ".join(PROTOCOLS)
    require(recipe in PROTOCOLS, f"no published protocol for {recipe!r}; there is one for {known}")
    total = int(np.sum(clip_lengths))
    for name in NEEDED[recipe]:
        require(
            name in channels, f"no channel {name!r}; {recipe} needs {', '.join(NEEDED[recipe])}"
        )
        found = channels[name]
        require(
            found.shape == (total,) and bool(np.isfinite(found).all()),
            f"channel {name!r} has shape {found.shape} or gaps; give a number for each of the "
            f"{total} frames, leaving out those without a score",
        )
    return PROTOCOLS[recipe](channels, clip_lengths, smooth)


def ped2(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Min-max per clip, `smooth_ped2` on each channel, sum of .2 / .4 / .6."""

    def prepare(channel: np.ndarray) -> np.ndarray:
        scaled = min_max_per_clip(channel, clip_lengths)
        return smooth_ped2(scaled) if smooth else scaled

    return _weighted(channels, NEEDED["ped2"], prepare)


def avenue(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Min-max over the whole test set; `smooth_avenue` on both channels and on their sum.

    The sum is .2 deformation + .4 reconstruction ("patch"). Silent in the source: that the smoother
    runs over the concatenated clips, as on Ped2, and chooses and averages as `smooth_ped2` does.
    """

    def prepare(channel: np.ndarray) -> np.ndarray:
        return smooth_avenue(min_max(channel)) if smooth else min_max(channel)

    total = _weighted(channels, NEEDED["avenue"], prepare)
    return smooth_avenue(total) if smooth else total


def shanghaitech(channels: Channels, clip_lengths: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Min-max per clip, four smoothers, sum of .2 / .4 / .6.

    Each channel: window 69 keeping 36 % per clip, then window 55 keeping 90 % over the
    concatenation; their sum: window 55 keeping half, then a Kalman filter per clip. Silent in the
    source, so read in the simplest way: min-max comes first; the constant "normal" is written by
    the first smoother alone and blurred by those after it; no weights within a window; shares are
    rounded down to whole frames; the joined windows pad with the value at the end; the Kalman
    filter starts each clip at its first value.
    """

    def prepare(channel: np.ndarray) -> np.ndarray:
        scaled = min_max_per_clip(channel, clip_lengths)
        if not smooth:
            return scaled
        return smooth_joined(by_clip(smooth_whole_windows, scaled, clip_lengths), 0.9)

    total = _weighted(channels, NEEDED["shanghaitech"], prepare)
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

NEEDED = {"ped2": tuple(WEIGHTS), "avenue": tuple(WEIGHTS)[:2], "shanghaitech": tuple(WEIGHTS)}
