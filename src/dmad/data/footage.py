"""Footage: the decoded frames of many clips, with the name, view and frame rate of each clip."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dmad.data.reading.frame_format import Frames

logger = logging.getLogger(__name__)

SplitName = Literal["train", "test"]

SAMPLED_FRAMES = 64  # number of frames that the fingerprint of footage includes
SAME_RATE = 0.1  # two frame rates are the same if they differ by less than this share


@dataclass(frozen=True)
class ClipSource:
    """One clip on disk, not yet decoded.

    Args:
        name: Name of the clip, unique in its split.
        path: Video file, folder of frame images, or image.
        scene: Name of the camera's view; empty if all clips show the same view.
        page: Index of the image in an image file that holds several.
        first: Index of the first frame, if the clip is a piece of a longer clip.
        frames: Number of frames of the piece. 0: the clip is no piece.
    """

    name: str
    path: Path
    scene: str = ""
    page: int = 0
    first: int = 0
    frames: int = 0


@dataclass(frozen=True)
class Clip:
    """One decoded clip inside a `Footage`.

    Args:
        name: Name of the clip, unique in its split.
        scene: Name of the camera's view; empty if all clips show the same view.
        start: Index of its first frame in `Footage.frames`.
        length: Number of its frames.
        fps: Frames per second; 0.0 if unknown (image folders).
        cut: True if the video is damaged and frames at its end are probably missing.
        aspect: Width divided by height of its original frames. Decoded frames are square.
        shifted: True if frames may be missing and it is not known where. Then labels do not fit.
    """

    name: str
    scene: str
    start: int
    length: int
    fps: float
    cut: bool = False
    aspect: float = 1.0
    shifted: bool = False

    @property
    def span(self) -> slice:
        """The slice of this clip in `Footage.frames` and in arrays with one value per frame."""
        return slice(self.start, self.start + self.length)


@dataclass(frozen=True, eq=False)
class Footage:
    """Decoded frames, divided into clips. The frames of a clip that is left out later are kept."""

    frames: Frames  # (N, H, W, C); a memory map, read only, if the frames come from files
    clips: tuple[Clip, ...]
    skipped: tuple[str, ...]  # a line for each clip or frame that was left out or replaced


@dataclass(frozen=True, eq=False)
class LabelledFootage:
    """The decoded footage of one split, with its labels."""

    footage: Footage
    labels: np.ndarray | None  # (N,) uint8, 1 = abnormal; None if unlabelled
    label_name: str  # name of the labels in results; empty if unlabelled
    masks: Callable[[str], np.ndarray] | None = None  # from a clip's name to (frames, H, W) bool
    classes: np.ndarray | None = None  # (N,) for images: the digit, or the kind of defect
    described: Mapping[str, Any] = field(default_factory=dict)  # entries for the model's card

    @property
    def scenes(self) -> tuple[str, ...]:
        """Sorted names of the views."""
        return tuple(sorted({clip.scene for clip in self.footage.clips}))


def footage_from_arrays(clips: Sequence[np.ndarray], fps: float = 0.0) -> Footage:
    """Make footage of clips (T, H, W, C) uint8 in memory. Their names are 000, 001, …"""
    described, start = [], 0
    for index, frames in enumerate(clips):
        described.append(Clip(f"{index:03d}", "", start, len(frames), fps))
        start += len(frames)
    return Footage(np.concatenate(clips), tuple(described), ())


def count_fits(count: int, frames: int, cut: bool) -> bool:
    """True if the number of labels or masks, `count`, is equal to the number of frames.

    If the end of the clip is lost (`cut`), `count` may also be larger.
    """
    return count == frames or (cut and count > frames)


def frame_rate(clips: Sequence[Clip], fallback: float) -> float:
    """Frames per second of the first clip whose rate is known; `fallback` if none is known."""
    return next((clip.fps for clip in clips if clip.fps), fallback)


def same_rate(rate: float, other: float) -> bool:
    """True if two frame rates differ by less than 10 %, so that motion looks the same."""
    return abs(rate - other) < SAME_RATE * other


def fingerprint(footage: Footage) -> str:
    """SHA-256 of the clips' names and lengths and of some frames. It identifies training data."""
    result = sha256(repr([(clip.name, clip.length) for clip in footage.clips]).encode())
    for index in np.linspace(0, len(footage.frames) - 1, SAMPLED_FRAMES).astype(int):
        result.update(footage.frames[index].tobytes())
    return result.hexdigest()


def clip_digest(footage: Footage, clip: Clip) -> str:
    """SHA-256 of a clip's frames. It does not depend on the clip's name."""
    return sha256(np.ascontiguousarray(footage.frames[clip.span]).data).hexdigest()


def without_repeats(footage: Footage, known_digests: Collection[str] = ()) -> Footage:
    """Leave out clips that repeat an earlier clip, or whose `clip_digest` is in `known_digests`."""
    first: dict[str, Clip] = {}
    for clip in footage.clips:
        first.setdefault(clip_digest(footage, clip), clip)
    new = tuple(clip for digest, clip in first.items() if digest not in known_digests)
    repeated = len(footage.clips) - len(new)
    if repeated:
        logger.warning(
            f"{repeated} of {len(footage.clips)} clips were given before; each is used once"
        )
    return replace(footage, clips=new)


def thin(items: np.ndarray, limit: int) -> np.ndarray:
    """Return at most `limit` of the items, evenly spread; all items if the limit is 0."""
    if not limit or limit >= len(items):
        return items
    thinned: np.ndarray = items[np.linspace(0, len(items) - 1, limit).round().astype(int)]
    return thinned


def scene_of_frames(footage: Footage, scenes: Sequence[str]) -> np.ndarray:
    """Return the index of each frame's view in `scenes`, (N,) int64.

    The index is -1 if the view is not in `scenes`, or if the frame belongs to no clip.
    """
    known = {name: index for index, name in enumerate(scenes)}
    indices = np.full(len(footage.frames), -1)
    for clip in footage.clips:
        indices[clip.span] = known.get(clip.scene, -1)
    return indices
