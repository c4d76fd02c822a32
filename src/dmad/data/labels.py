"""The labels and masks of a split, and their assignment to decoded frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dmad.data.footage import Clip, ClipSource, Footage, count_fits
from dmad.data.label_files import (
    ClipLabels,
    Labels,
    read_clip_labels,
    read_joined_labels,
    read_table,
    split_joined_labels,
)
from dmad.data.masks import Mask, read_masks_of_clip, resize_mask
from dmad.data.reading.paths import image_files
from dmad.data.reading.video_header import frame_times
from dmad.errors import DmadError, require

# At a constant rate, no time differs more than this share of a frame from the expected time.
UNEVEN = 0.2


@dataclass(frozen=True)
class Split:
    """The clips of one split of a data set and their labels, before decoding.

    Args:
        sources: The clips.
        masks: For each clip, the path that `read_masks_of_clip` reads; None if it has no masks.
        labels: For each clip, its labels; None if it has none, or if they are in `joined`.
        label_name: Name of the labels in results; empty if there are none.
        joined: Labels of all clips, stored one clip after the other. Used if the clips are videos,
            because the lengths of videos are known only after decoding.
    """

    sources: tuple[ClipSource, ...]
    masks: tuple[Path | None, ...]
    labels: tuple[ClipLabels | None, ...]
    label_name: str = ""
    joined: ClipLabels | None = None


@dataclass(frozen=True)
class LabelPlaces:
    """Where the labels of a split may be. The first file that exists is used.

    Args:
        all_clips: Files that may contain the labels of all clips: `.npy` with one value per frame,
            or `.csv` with rows `clip,start,end`.
        each_clip: For each clip, files that may contain its labels.
        masks: For each clip, the path of its masks; None if it has no masks.
        data_set: Name of the data set, for `Split.label_name`.
    """

    masks: Sequence[Path | None]
    all_clips: Sequence[Path] = ()
    each_clip: Sequence[Sequence[Path]] = ()
    data_set: str = ""


def unlabelled(sources: Sequence[ClipSource]) -> Split:
    """A split without labels and masks."""
    none = (None,) * len(sources)
    return Split(tuple(sources), masks=none, labels=none)


def labelled(sources: Sequence[ClipSource], places: LabelPlaces) -> Split:
    """Make a split with labels.

    The labels come from one file for all clips. If there is no such file, the labels of each clip
    come from its own file or from its masks.

    Raises:
        DmadError: A label file is unreadable or does not fit its clip.
    """
    joined = None
    path = next((path for path in places.all_clips if path.is_file()), None)
    if path is None:
        labels = _labels_of_each(places)
        name = _kind(labels)
    else:
        labels, joined = _read_labels_of_all(path, sources)
        name = path.name
    for source, own in zip(sources, labels, strict=True):
        is_known = own is not None and not own.periods and source.path.is_dir()
        if own is not None and is_known:  # the length of the clip is known before decoding
            own.for_clip(source.name, len(image_files(source.path)))
    has_labels = joined is not None or any(own is not None for own in labels)
    return Split(
        sources=tuple(sources),
        masks=tuple(places.masks),
        labels=tuple(labels),
        label_name=f"{places.data_set} {name}".strip() if has_labels else "",
        joined=joined,
    )


def _labels_of_each(places: LabelPlaces) -> list[ClipLabels | None]:
    each_clip = places.each_clip or [()] * len(places.masks)
    labels: list[ClipLabels | None] = []
    for masks, files in zip(places.masks, each_clip, strict=True):
        existing = [path for path in (*files, masks) if path is not None and path.exists()]
        labels.append(read_clip_labels(existing[0]) if existing else None)
    return labels


def _read_labels_of_all(
    path: Path, sources: Sequence[ClipSource]
) -> tuple[list[ClipLabels | None], ClipLabels | None]:
    """Read a file with the labels of all clips.

    Returns:
        The labels of each clip, and None. If the file has one value per frame and the lengths of
        the clips are not known yet, the labels cannot be split: None for each clip, and the labels
        of all clips together.
    """
    if path.suffix == ".csv":
        return list(read_table(path, sources)), None
    joined = read_joined_labels(path)
    if not all(source.path.is_dir() for source in sources):
        return [None] * len(sources), joined
    lengths = [len(image_files(source.path)) for source in sources]
    return list(split_joined_labels(joined, lengths)), None


def _kind(labels: Sequence[ClipLabels | None]) -> str:
    """A short name for the kind of label files, such as "pixel masks"; empty without labels."""
    path = next((own.path for own in labels if own is not None), None)
    if path is None:
        return ""
    if path.is_dir():
        return "pixel masks"
    return ".mat masks" if path.suffix == ".mat" else f"{path.parent.name}/*{path.suffix}"


def read_masks(split: Split, clip: Clip, size: int) -> Mask:
    """The pixel masks (frames, size, size) of a decoded clip, resized by nearest neighbour.

    Raises:
        DmadError: The clip has no masks, they are unreadable, or their number is wrong.
    """
    names = [source.name for source in split.sources]
    path = split.masks[names.index(clip.name)]
    if path is None:
        raise DmadError(f"clip {clip.name} has no pixel masks; `dmad data` lists all labels")
    masks = [resize_mask(mask, size) for mask in read_masks_of_clip(path)]
    require(
        count_fits(len(masks), clip.length, clip.cut),
        f"{path} holds {len(masks)} masks, but clip {clip.name} has {clip.length} frames; "
        "give one mask per frame",
    )
    return np.stack(masks[: clip.length])


def align(split: Split, footage: Footage, fps: float = 0.0) -> Labels | None:
    """The labels (N,) of all decoded frames; None if the split is unlabelled.

    Args:
        split: The clips and their labels.
        footage: The decoded clips.
        fps: Frame rate for clips that do not state one; 0 if unknown. It is used for labels that
            are given as times.

    Raises:
        DmadError: Labels do not fit the decoded clips, or only some clips are labelled.
    """
    labels_of = _labels_by_name(split, footage)
    if all(own is None for own in labels_of.values()):
        return None
    labels = np.zeros(len(footage.frames), np.uint8)
    for clip in footage.clips:
        own = labels_of[clip.name]
        if own is None:
            raise DmadError(
                f"clip {clip.name} has no labels, but other clips have labels; label all clips or "
                "no clip"
            )
        labels[clip.span] = _labels_of_frames(own, clip, split, fps)
    return labels


def normal_clips(split: Split, footage: Footage, fps: float = 0.0) -> Footage:
    """Keep only the clips without labelled anomalies, for training.

    Args:
        split: The clips and their labels.
        footage: The decoded clips.
        fps: Frame rate for clips that do not state one; 0 if unknown.

    Raises:
        DmadError: Labels do not fit the decoded clips, or no clip is left.
    """
    labels_of = _labels_by_name(split, footage)
    normal, notes = [], []
    for clip in footage.clips:
        own = labels_of[clip.name]
        if own is not None and _labels_of_frames(own, clip, split, fps).any():
            notes.append(f"clip {clip.name} holds labelled anomalies: not trained on")
        else:
            normal.append(clip)
    require(
        bool(normal), "every clip holds labelled anomalies; put normal footage into a folder train"
    )
    skipped = (*footage.skipped, *sorted(notes))
    return replace(footage, clips=tuple(normal), skipped=skipped)


def _labels_of_frames(own: ClipLabels, clip: Clip, split: Split, fps: float) -> Labels:
    """The labels of the frames of a decoded clip, from the labels `own` in its file.

    Labels that are given in seconds are converted with the times of the frames.

    Raises:
        DmadError: The labels do not fit the clip, or the times of its frames are not known.
    """
    require(
        not clip.shifted,
        f"clip {clip.name} lost frames at unknown places, so its labels do not fit; repair the "
        "file, or leave out the clip",
    )
    if own.periods:
        path = next(source.path for source in split.sources if source.name == clip.name)
        own = own.at_times(clip.name, _times(clip, path, fps), clip.cut)
    return own.for_clip(clip.name, clip.length, clip.cut)


def _times(clip: Clip, path: Path, fps: float) -> Sequence[float]:
    """The times of the frames of a decoded clip, in seconds since the first frame.

    Raises:
        DmadError: The times are not known.
    """
    times = [] if path.is_dir() else frame_times(path)
    if len(times) == clip.length or (clip.cut and len(times) > clip.length):
        return times[: clip.length]
    rate = clip.fps or fps
    require(
        rate > 0,
        f"clip {clip.name} does not state its frame rate; give it with --data.fps, or give frame "
        "numbers instead of time codes",
    )
    require(
        _are_regular(times, rate, clip.length),
        f"clip {clip.name} has damaged frames and no regular frame rate, so the times of its "
        "frames are not known; give frame numbers instead of time codes",
    )
    return [index / rate for index in range(clip.length)]


def _are_regular(times: Sequence[float], fps: float, frames: int) -> bool:
    """True if the known times of frames, in seconds, fit the constant rate `fps`.

    Then the times of all frames can be computed from the rate. A clip of `frames` frames may have
    fewer known times, because damaged frames have none.
    """
    places = np.array(times) * fps
    return bool((np.abs(places - places.round()) < UNEVEN).all() and (places < frames).all())


def _labels_by_name(split: Split, footage: Footage) -> dict[str, ClipLabels | None]:
    if split.joined is None:
        names = [source.name for source in split.sources]
        return dict(zip(names, split.labels, strict=True))
    lengths = {clip.name: clip.length for clip in footage.clips if not clip.cut}
    lost = [source.name for source in split.sources if source.name not in lengths]
    require(
        not lost,
        f"{split.joined.path} contains the labels of all clips, but {', '.join(lost)} could not be "
        "read completely; give a label file for each clip instead",
    )
    parts = split_joined_labels(split.joined, list(lengths.values()))
    return dict(zip(lengths, parts, strict=True))
