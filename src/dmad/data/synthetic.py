"""Synthetic anomalies: normal windows with one thing in them that moves or looks wrong.

They need no labels, so settings can be chosen by them without a look at any test set.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from dmad.data.frames import Footage

Kind = Literal["normal", "fast", "large"]
PLACE = 0.12  # radius of the place that is changed, as a share of the frame's height
GROWTH = 1.6  # factor of `large`
SPEEDS = (2, 3)  # frames skipped for one, in `fast`


def windows(footage: Footage, history: int, count: int, kind: Kind, seed: int = 0) -> np.ndarray:
    """Windows drawn from normal clips, and one place in each made abnormal.

    Args:
        footage: Normal clips; those shorter than 3 T + 1 frames are left out.
        history: Past frames T of a window.
        count: Number of windows.
        kind: `normal` leaves them as they are. In `fast`, whoever is in the place moves at two
            or three times the speed; in `large`, they are also enlarged.
        seed: Of the draw; the same for two kinds draws the same windows.

    Returns:
        (count, T + 1, H, W, C) uint8, oldest frame first.
    """
    ground = np.median(footage.frames[:: max(1, len(footage.frames) // 64)], axis=0)
    made = [_window(footage, history, kind, ground, seed + index) for index in range(count)]
    return np.stack(made)


def _window(
    footage: Footage, history: int, kind: Kind, ground: np.ndarray, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = _draw(footage, history, 1, rng)
    if kind == "normal":
        return base
    speed = int(rng.choice(SPEEDS))
    thing = _draw(footage, history, speed, rng) - ground
    centre = _liveliest(thing)
    if kind == "large":
        thing = np.stack([_enlarge(frame, centre) for frame in thing])
    place = _place(base.shape[1:3], centre)[..., None]
    mixed: np.ndarray = (1 - place) * base + place * (ground + thing)
    return mixed.clip(0, 255).round().astype(np.uint8)


def _draw(footage: Footage, history: int, speed: int, rng: np.random.Generator) -> np.ndarray:
    """T + 1 frames, each `speed` after the one before: (T + 1, H, W, C) uint8."""
    span = max(SPEEDS) * history + 1
    clips = [clip for clip in footage.clips if clip.length >= span]
    clip = clips[rng.integers(len(clips))]
    start = clip.start + rng.integers(clip.length - span + 1)
    window: np.ndarray = footage.frames[start + speed * np.arange(history + 1)]
    return window


def _liveliest(thing: np.ndarray) -> tuple[int, int]:
    """Row and column where most moves, of (T + 1, H, W, C) without background."""
    motion = np.abs(np.diff(thing, axis=0)).mean((0, 3))
    height = motion.shape[0]
    row, column = np.unravel_index(
        gaussian_filter(motion, PLACE * height / 2).argmax(), motion.shape
    )
    return int(row), int(column)


def _enlarge(frame: np.ndarray, centre: tuple[int, int]) -> np.ndarray:
    """A frame (H, W, C), enlarged about a point."""
    scale = np.array([1 / GROWTH, 1 / GROWTH, 1])
    fixed = np.array([*centre, 0])
    enlarged: np.ndarray = affine_transform(frame, scale, fixed - scale * fixed, order=1)
    return enlarged


def _place(shape: tuple[int, ...], centre: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1]: a disc with a soft edge."""
    rows, columns = np.indices(shape)
    far = np.hypot(rows - centre[0], columns - centre[1]) / (PLACE * shape[0])
    soft: np.ndarray = np.clip(2 * (1.5 - far), 0, 1)
    return soft
