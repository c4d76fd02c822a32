"""Synthetic anomalies of video: normal sequences with one place that moves or looks wrong.

They need no labels, so settings can be chosen by them without any test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator
from scipy.ndimage import affine_transform, gaussian_filter

from dmad.data.footage import Footage, scene_of_frames

Kind = Literal["normal", "fast", "large"]

RADIUS = 0.12  # of the place that is changed, as a share of the frame's height

GROWTH = 1.6  # factor of `large`

SPEEDS = (2, 3)  # times the normal speed, of `fast` and `large`

BACKGROUND_SAMPLES = 64  # most frames of which the background is the median


@dataclass(frozen=True)
class Sequences:
    """Generated sequences, and the view of each."""

    frames: np.ndarray  # (count, T + 1, H, W, C) uint8, oldest frame first
    scenes: tuple[str, ...]  # (count,)


def sequences(footage: Footage, past: int, count: int, kind: Kind, seed: int = 0) -> Sequences:
    """Draw sequences from normal clips and make one place in each abnormal.

    Args:
        footage: Normal clips. Those shorter than 3 T + 1 frames are not used.
        past: T, the number of frames of a sequence before its last.
        count: Number of sequences.
        kind: `normal` changes nothing. In `fast`, whatever moves in the place does so at two or
            three times its speed. In `large`, it is also enlarged.
        seed: Seed of the draw. The same seed draws the same sequences for every kind.
    """
    backgrounds = _backgrounds(footage)
    frames, scenes = [], []
    for index in range(count):
        rng = np.random.default_rng(seed + index)
        normal, scene = _draw(footage, past, 1, rng)
        scenes.append(scene)
        if kind == "normal":
            frames.append(normal)
            continue
        same_view = [clip for clip in footage.clips if clip.scene == scene]
        speed = int(rng.choice(SPEEDS))
        fast, _ = _draw(replace(footage, clips=tuple(same_view)), past, speed, rng)
        frames.append(_paste(normal, fast, backgrounds[scene], kind))
    return Sequences(np.stack(frames), tuple(scenes))


def _backgrounds(footage: Footage) -> Mapping[str, np.ndarray]:
    """The median (H, W, C) of each view. If there is one view, that of all frames."""
    scenes = sorted({clip.scene for clip in footage.clips})
    if len(scenes) > 1:
        scene_indices = scene_of_frames(footage, scenes)
    else:
        scene_indices = np.zeros(len(footage.frames))
    medians = {}
    for index, scene in enumerate(scenes):
        own = np.flatnonzero(scene_indices == index)
        step = max(1, len(own) // BACKGROUND_SAMPLES)
        medians[scene] = np.median(footage.frames[own[::step]], axis=0)
    return medians


def _draw(footage: Footage, past: int, speed: int, rng: Generator) -> tuple[np.ndarray, str]:
    """T + 1 frames of a random clip, `speed` frames apart, (T + 1, H, W, C); and their view."""
    span = max(SPEEDS) * past + 1
    long_enough = [clip for clip in footage.clips if clip.length >= span]
    clip = long_enough[rng.integers(len(long_enough))]
    start = clip.start + rng.integers(clip.length - span + 1)
    return footage.frames[start + speed * np.arange(past + 1)], clip.scene


def _paste(normal: np.ndarray, fast: np.ndarray, background: np.ndarray, kind: Kind) -> np.ndarray:
    """A normal sequence (T + 1, H, W, C) with the place of a fast one where most moves."""
    moving = fast - background
    centre = _place_of_most_motion(moving)
    if kind == "large":
        moving = np.stack([_enlarge(frame, centre) for frame in moving])
    weight = _soft_disc(normal.shape[1:3], centre)[..., None]
    mixed: np.ndarray = (1 - weight) * normal + weight * (background + moving)
    return mixed.clip(0, 255).round().astype(np.uint8)


def _place_of_most_motion(moving: np.ndarray) -> tuple[int, int]:
    """Row and column where most moves in (T + 1, H, W, C) without background."""
    motion = np.abs(np.diff(moving, axis=0)).mean((0, 3))
    smooth = gaussian_filter(motion, RADIUS * len(motion) / 2)
    row, column = np.unravel_index(smooth.argmax(), motion.shape)
    return int(row), int(column)


def _enlarge(frame: np.ndarray, centre: Sequence[int]) -> np.ndarray:
    """A frame (H, W, C) enlarged about a point."""
    scale = np.array([1 / GROWTH, 1 / GROWTH, 1])
    fixed = np.array([*centre, 0])
    enlarged: np.ndarray = affine_transform(frame, scale, fixed - scale * fixed, order=1)
    return enlarged


def _soft_disc(shape: tuple[int, ...], centre: Sequence[int]) -> np.ndarray:
    """(H, W) in [0, 1]: a disc with a soft edge."""
    rows, columns = np.indices(shape)
    distance = np.hypot(rows - centre[0], columns - centre[1]) / (RADIUS * shape[0])
    disc: np.ndarray = np.clip(2 * (1.5 - distance), 0, 1)
    return disc
