"""Footage: the decoded frames of many clips, and what is known of each clip."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from dmad.data.reading.frame_format import Frames

logger = logging.getLogger(__name__)

SplitName = Literal["train", "test"]

SAMPLED_FRAMES = 64  # frames that the fingerprint of footage includes

SAME_RATE = 0.1  # rates that differ by less than this share count as the same


@dataclass(frozen=True)
class ClipSource:
    """One clip on disk, not yet decoded.

    Args:
        name: Name of the clip, unique in its split.
        path: Video file, folder of frame images, or image.
        scene: Name of the fixed view of the clip; empty if there is only one view.
    """

    name: str
    path: Path
    scene: str = ""


@dataclass(frozen=True)
class Clip:
    """One decoded clip inside a `Footage`.

    Args:
        name: Name of the clip, unique in its split.
        scene: Name of the fixed view of the clip; empty if there is only one view.
        start: Index of its first frame in `Footage.frames`.
        length: Number of its frames.
        fps: Frames a second; 0.0 if unknown (image folders).
        cut: True if the video is damaged and frames at its end are probably missing.
    """

    name: str
    scene: str
    start: int
    length: int
    fps: float
    cut: bool = False

    @property
    def span(self) -> slice:
        """The slice of this clip in `Footage.frames` and in arrays with one value a frame."""
        return slice(self.start, self.start + self.length)


@dataclass(frozen=True)
class Footage:
    """Decoded frames, and the clips among them that belong to this split."""

    frames: Frames  # (N, H, W, C), memory map, read only
    clips: tuple[Clip, ...]
    skipped: tuple[str, ...]  # one line for each clip or frame left out or replaced, and why


@dataclass(frozen=True)
class LabelledFootage:
    """The decoded footage of one split, with its labels."""

    footage: Footage
    labels: np.ndarray | None  # (N,) uint8, 1 = abnormal; None if unlabelled
    label_name: str  # which label set, for the ledger
    masks: Callable[[str], np.ndarray] | None = None  # from a clip's name to (frames, H, W) bool
    classes: np.ndarray | None = None  # (N,) of images: which digit, which kind of defect

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the fixed views, sorted."""
        return tuple(sorted({clip.scene for clip in self.footage.clips}))


def footage_from_arrays(clips: Sequence[np.ndarray], fps: float = 0.0) -> Footage:
    """Footage of clips (T, H, W, C) uint8 that are already in memory, named 000, 001, …"""
    described, start = [], 0
    for index, frames in enumerate(clips):
        described.append(Clip(f"{index:03d}", "", start, len(frames), fps))
        start += len(frames)
    return Footage(np.concatenate(clips), tuple(described), ())


def count_fits(count: int, frames: int, cut: bool) -> bool:
    """True if so many labels or masks fit a clip. A clip that lost its end may have more."""
    return count == frames or (cut and count > frames)


def frame_rate(clips: Sequence[Clip], fallback: float) -> float:
    """Frames a second of the first clip that states them; `fallback` if none does."""
    return next((clip.fps for clip in clips if clip.fps), fallback)


def same_rate(rate: float, other: float) -> bool:
    """True if two frame rates differ by less than a tenth, so that motion looks the same."""
    return abs(rate - other) < SAME_RATE * other


def fingerprint(footage: Footage) -> str:
    """SHA-256 of the clips' names and lengths and of some frames: which data a model saw."""
    result = sha256(repr([(clip.name, clip.length) for clip in footage.clips]).encode())
    for index in np.linspace(0, len(footage.frames) - 1, SAMPLED_FRAMES).astype(int):
        result.update(footage.frames[index].tobytes())
    return result.hexdigest()


def clip_digest(footage: Footage, clip: Clip) -> str:
    """SHA-256 of a clip's frames. It does not depend on the clip's name."""
    return sha256(np.ascontiguousarray(footage.frames[clip.span]).data).hexdigest()


def without_repeats(footage: Footage, known_digests: Collection[str] = ()) -> Footage:
    """Footage without clips that repeat another clip, or one whose `clip_digest` is known."""
    first: dict[str, Clip] = {}
    for clip in footage.clips:
        first.setdefault(clip_digest(footage, clip), clip)
    new = tuple(clip for digest, clip in first.items() if digest not in known_digests)
    repeated = len(footage.clips) - len(new)
    if repeated:
        logger.warning(
            f"{repeated} of {len(footage.clips)} clips are there already; each counts once"
        )
    return replace(footage, clips=new)


def thin(items: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` items, evenly spread. A limit of 0 keeps all."""
    if not limit or limit >= len(items):
        return items
    thinned: np.ndarray = items[np.linspace(0, len(items) - 1, limit).round().astype(int)]
    return thinned


def scene_of_frames(footage: Footage, scenes: Sequence[str]) -> np.ndarray:
    """Index in `scenes` of the view of every frame, (N,) int64; -1 if it is not among them."""
    known = {name: index for index, name in enumerate(scenes)}
    indices = np.full(len(footage.frames), -1)
    for clip in footage.clips:
        indices[clip.span] = known.get(clip.scene, -1)
    return indices
