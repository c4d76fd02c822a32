"""Synthetic anomalies: normal sequences with one thing in them that moves or looks wrong.

They need no labels, so settings can be chosen by them without a look at any test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from dmad.data.footage import Clip, Footage, scene_of_frames

Kind = Literal["normal", "fast", "large"]

PLACE = 0.12  # radius of the place that is changed, as a share of the frame's height

GROWTH = 1.6  # factor of `large`

SPEEDS = (2, 3)  # frames skipped for one, in `fast`


@dataclass(frozen=True)
class Sequences:
    """What was made, and of which view each is."""

    frames: np.ndarray  # (count, T + 1, H, W, C) uint8, oldest frame first
    scenes: tuple[str, ...]  # (count,)


def sequences(footage: Footage, past: int, count: int, kind: Kind, seed: int = 0) -> Sequences:
    """Sequences drawn from normal clips, and one place in each made abnormal.

    Args:
        footage: Normal clips; those shorter than 3 T + 1 frames are left out.
        past: T, the frames of a sequence but for its last.
        count: Number of sequences.
        kind: `normal` leaves them as they are. In `fast`, whoever is in the place moves at two
            or three times the speed; in `large`, they are also enlarged.
        seed: Of the draw; the same for two kinds draws the same sequences.
    """
    grounds = _grounds(footage)
    made = [_sequence(footage, past, kind, grounds, seed + index) for index in range(count)]
    return Sequences(np.stack([frames for frames, _ in made]), tuple(scene for _, scene in made))


def _grounds(footage: Footage) -> dict[str, np.ndarray]:
    """The median of each view, (H, W, C); where there is but one, of all frames."""
    scenes = sorted({clip.scene for clip in footage.clips})
    known = scene_of_frames(footage, scenes) if len(scenes) > 1 else np.zeros(len(footage.frames))
    seen = {scene: np.flatnonzero(known == index) for index, scene in enumerate(scenes)}
    return {
        scene: np.median(footage.frames[frames[:: max(1, len(frames) // 64)]], axis=0)
        for scene, frames in seen.items()
    }


def _sequence(
    footage: Footage, past: int, kind: Kind, grounds: Mapping[str, np.ndarray], seed: int
) -> tuple[np.ndarray, str]:
    rng = np.random.default_rng(seed)
    base, scene = _draw(footage.clips, footage.frames, past, 1, rng)
    if kind == "normal":
        return base, scene
    speed, ground = int(rng.choice(SPEEDS)), grounds[scene]
    alike = [clip for clip in footage.clips if clip.scene == scene]
    thing = _draw(alike, footage.frames, past, speed, rng)[0] - ground
    centre = _liveliest(thing)
    if kind == "large":
        thing = np.stack([_enlarge(frame, centre) for frame in thing])
    place = _place(base.shape[1:3], centre)[..., None]
    mixed: np.ndarray = (1 - place) * base + place * (ground + thing)
    return mixed.clip(0, 255).round().astype(np.uint8), scene


def _draw(
    clips: Sequence[Clip], frames: np.ndarray, past: int, speed: int, rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """T + 1 frames of a clip, each `speed` after the one before, (T + 1, H, W, C); its view."""
    span = max(SPEEDS) * past + 1
    long = [clip for clip in clips if clip.length >= span]
    clip = long[rng.integers(len(long))]
    start = clip.start + rng.integers(clip.length - span + 1)
    return frames[start + speed * np.arange(past + 1)], clip.scene


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
