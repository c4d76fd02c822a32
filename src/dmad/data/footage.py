"""Footage: the frames of many clips, decoded once into a memory-mapped file."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from dmad.data.reading.image_files import Frames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipSource:
    """One clip on disk, not yet decoded.

    Args:
        name: Name of the clip, unique in its split.
        path: Video file, or folder of frame images.
        scene: Fixed view the clip belongs to; empty where there is one.
    """

    name: str
    path: Path
    scene: str = ""


@dataclass(frozen=True)
class Clip:
    """One decoded clip inside a `Footage`.

    Args:
        name: Name of the clip, unique in its split.
        scene: Fixed view the clip belongs to; empty where there is one.
        start: Index of its first frame in `Footage.frames`.
        length: Number of its frames.
        fps: Frames a second; 0.0 where unknown (image folders).
        cut: The video is damaged and frames are missing, its last by all that can be told.
    """

    name: str
    scene: str
    start: int
    length: int
    fps: float
    cut: bool = False

    @property
    def span(self) -> slice:
        """Where its frames lie in `Footage.frames`, and what belongs to them in arrays alike."""
        return slice(self.start, self.start + self.length)


@dataclass(frozen=True)
class Footage:
    """Decoded frames, and the clips among them that belong to this split."""

    frames: Frames  # (N, H, W, C), memory map, read only
    clips: tuple[Clip, ...]
    skipped: tuple[str, ...]  # one line per clip or frame left out or mended, and why


def suits(count: int, frames: int, cut: bool) -> bool:
    """Whether so many labels or masks belong to a clip; of one that lost its end there are more."""
    return count == frames or (cut and count > frames)


def frame_rate(clips: Sequence[Clip], fallback: float) -> float:
    """Frames a second of footage; `fallback` where it does not say."""
    return next((clip.fps for clip in clips if clip.fps), fallback)


def fingerprint(footage: Footage) -> str:
    """sha256 over clips and a sample of frames: which data a model saw."""
    found = sha256(repr([(c.name, c.length) for c in footage.clips]).encode())
    for index in np.linspace(0, len(footage.frames) - 1, 64).astype(int):
        found.update(footage.frames[index].tobytes())
    return found.hexdigest()


def digest(footage: Footage, clip: Clip) -> str:
    """sha256 of a clip's frames: which clip it is, whatever it is called."""
    return sha256(np.ascontiguousarray(footage.frames[clip.span]).data).hexdigest()


def unseen(footage: Footage, known: Collection[str] = ()) -> Footage:
    """Without clips that show the same as another or, by its `digest`, as one that is known."""
    first: dict[str, Clip] = {}
    for clip in footage.clips:
        first.setdefault(digest(footage, clip), clip)
    fresh = tuple(clip for name, clip in first.items() if name not in known)
    if again := len(footage.clips) - len(fresh):
        logger.warning(f"{again} of {len(footage.clips)} clips are there already; each counts once")
    return replace(footage, clips=fresh)


def stack(clips: Sequence[np.ndarray], fps: float = 0.0) -> Footage:
    """Footage of clips (T, H, W, C) uint8 that are already in memory."""
    starts = np.cumsum([0, *(len(clip) for clip in clips)])
    made = [
        Clip(f"{index:03d}", "", int(starts[index]), len(clip), fps)
        for index, clip in enumerate(clips)
    ]
    return Footage(np.concatenate(clips), tuple(made), ())


def thin(items: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` items, evenly spread; all where limit is 0."""
    if not limit or limit >= len(items):
        return items
    thinned: np.ndarray = items[np.linspace(0, len(items) - 1, limit).round().astype(int)]
    return thinned


def scene_of_frames(footage: Footage, scenes: Sequence[str]) -> np.ndarray:
    """Index of the view of every frame, (N,) int64; -1 where the view is not among `scenes`."""
    known = {name: index for index, name in enumerate(scenes)}
    index = np.full(len(footage.frames), -1)
    for clip in footage.clips:
        index[clip.span] = known.get(clip.scene, -1)
    return index


def same_rate(rate: float, other: float) -> bool:
    """Whether frames a second differ by so little that everybody moves alike: by under a tenth."""
    return abs(rate - other) < 0.1 * other
