"""Synthetic anomalies of video: normal sequences in which one place is made unusual.

They are made from normal footage. So settings can be chosen with these anomalies instead of a test
set.
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

RADIUS = 0.12  # of the changed place, as a share of the frame's height; its soft edge is outside
GROWTH = 1.6  # `large` enlarges by this factor
SPEEDS = (2, 3)  # factors of the speed in `fast` and `large`
BACKGROUND_SAMPLES = 64  # the background is the median of at most about this many frames


@dataclass(frozen=True)
class Variant:
    """One kind of synthetic anomaly, in one strength.

    Args:
        kind: What is unusual: "speed", "size", "direction" or "texture".
        speed: Factor of the speed.
        growth: Factor of the size.
        turned: True if the objects move at a right angle to their usual direction.
        contrast: Standard deviation, in grey levels, of a grainy patch that hides the objects. 0:
            there is no patch.
        plain: True if the anomaly is clearly visible, False if it is faint.
    """

    kind: str
    speed: int = 1
    growth: float = 1.0
    turned: bool = False
    contrast: float = 0.0
    plain: bool = True


VARIANTS = (
    Variant("speed", speed=2, plain=False),
    Variant("speed", speed=3),
    Variant("size", growth=1.4, plain=False),
    Variant("size", growth=2.0),
    Variant("direction", speed=2, turned=True, plain=False),
    Variant("texture", contrast=25, plain=False),
    Variant("texture", contrast=70),
)


@dataclass(frozen=True, eq=False)
class Sequences:
    """Generated sequences, and the view of each."""

    frames: np.ndarray  # (count, T + 1, H, W, C) uint8, oldest frame first
    scenes: tuple[str, ...]  # (count,)


def sequences(footage: Footage, past: int, count: int, kind: Kind, seed: int = 0) -> Sequences:
    """Choose random sequences from normal clips, and make one place in each abnormal.

    Args:
        footage: Normal clips. Clips shorter than 3 `past` + 1 frames are not used.
        past: Number T of frames before the last frame of a sequence.
        count: Number of sequences.
        kind: `normal`: nothing is changed. `fast`: objects in the place move at two or three times
            their speed. `large`: these objects are also enlarged.
        seed: Seed of the choice. The same seed chooses the same sequences for every kind.
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


def variant_sequences(
    footage: Footage, past: int, count: int, variant: Variant, seed: int = 0
) -> Sequences:
    """Choose random sequences from normal clips, and put an anomaly of a variant into each.

    Args:
        footage: Normal clips. Clips shorter than 3 `past` + 1 frames are not used.
        past: Number T of frames before the last frame of a sequence.
        count: Number of sequences.
        variant: Kind and strength of the anomaly.
        seed: Seed of the choice.
    """
    backgrounds = _backgrounds(footage)
    frames, scenes = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        normal, scene = _draw(footage, past, 1, rng)
        same_view = tuple(clip for clip in footage.clips if clip.scene == scene)
        pasted, _ = _draw(replace(footage, clips=same_view), past, variant.speed, rng)
        moving = pasted - backgrounds[scene]
        centre = _place_of_most_motion(moving)
        if variant.growth > 1:
            moving = np.stack([_enlarge(frame, centre, variant.growth) for frame in moving])
        if variant.turned:
            moving = np.stack([_turn(frame, centre) for frame in moving])
        if variant.contrast:
            moving = _grain(moving.shape, variant.contrast, rng)
        frames.append(_blend(normal, backgrounds[scene] + moving, centre))
        scenes.append(scene)
    return Sequences(np.stack(frames), tuple(scenes))


def _backgrounds(footage: Footage) -> Mapping[str, np.ndarray]:
    """The median frame (H, W, C) of each view, by the name of the view.

    If there is only one view, frames that belong to no clip are used too.
    """
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
    """Return T + 1 frames (T + 1, H, W, C) of a random clip, and the view of this clip.

    T is `past`. The sequence starts at a random frame and holds every `speed`-th frame.
    """
    span = max(SPEEDS) * past + 1
    long_enough = [clip for clip in footage.clips if clip.length >= span]
    clip = long_enough[rng.integers(len(long_enough))]
    start = clip.start + rng.integers(clip.length - span + 1)
    return footage.frames[start + speed * np.arange(past + 1)], clip.scene


def _paste(normal: np.ndarray, fast: np.ndarray, background: np.ndarray, kind: Kind) -> np.ndarray:
    """Return a normal sequence (T + 1, H, W, C) with one place of a fast sequence in it.

    The place is where the fast sequence has the most motion. If `kind` is `large`, the objects in
    this place are enlarged first.
    """
    moving = fast - background
    centre = _place_of_most_motion(moving)
    if kind == "large":
        moving = np.stack([_enlarge(frame, centre, GROWTH) for frame in moving])
    return _blend(normal, background + moving, centre)


def _blend(normal: np.ndarray, pasted: np.ndarray, centre: Sequence[int]) -> np.ndarray:
    """Frames (T + 1, H, W, C) that show `pasted` in a soft disc and `normal` around it."""
    weight = _soft_disc(normal.shape[1:3], centre)[..., None]
    mixed: np.ndarray = (1 - weight) * normal + weight * pasted
    return mixed.clip(0, 255).round().astype(np.uint8)


def _place_of_most_motion(moving: np.ndarray) -> tuple[int, int]:
    """Row and column of the place with the most motion.

    `moving` (T + 1, H, W, C) are the frames of a sequence minus the background.
    """
    motion = np.abs(np.diff(moving, axis=0)).mean((0, 3))
    smooth = gaussian_filter(motion, RADIUS * len(motion) / 2)
    row, column = np.unravel_index(smooth.argmax(), motion.shape)
    return int(row), int(column)


def _enlarge(frame: np.ndarray, centre: Sequence[int], growth: float) -> np.ndarray:
    """A frame (H, W, C) enlarged about a point."""
    scale = np.array([1 / growth, 1 / growth, 1])
    fixed = np.array([*centre, 0])
    enlarged: np.ndarray = affine_transform(frame, scale, fixed - scale * fixed, order=1)
    return enlarged


def _turn(frame: np.ndarray, centre: Sequence[int]) -> np.ndarray:
    """A frame (H, W, C) turned by a right angle about a point."""
    quarter = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    fixed = np.array([*centre, 0])
    turned: np.ndarray = affine_transform(frame, quarter, fixed - quarter @ fixed, order=1)
    return turned


def _grain(shape: tuple[int, ...], contrast: float, rng: Generator) -> np.ndarray:
    """Frames (T + 1, H, W, C) of soft noise. The noise moves to the right from frame to frame."""
    count, height, width, channels = shape
    grain = gaussian_filter(rng.standard_normal((height, width)), height / 64)
    grain = contrast * grain / grain.std()
    moved = [np.roll(grain, step * max(1, width // 128), 1) for step in range(count)]
    return np.repeat(np.stack(moved)[..., None], channels, -1)


def _soft_disc(shape: tuple[int, ...], centre: Sequence[int]) -> np.ndarray:
    """(H, W) in [0, 1]: a disc with a soft edge."""
    rows, columns = np.indices(shape)
    distance = np.hypot(rows - centre[0], columns - centre[1]) / (RADIUS * shape[0])
    disc: np.ndarray = np.clip(2 * (1.5 - distance), 0, 1)
    return disc
