"""What is abnormal: labels a frame and masks a pixel, and how they meet the decoded clips."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmad.data.footage import Clip, ClipSource, Footage, suits
from dmad.data.masks import Mask, load_array, masks_in, shrink
from dmad.data.reading.paths import image_files
from dmad.errors import DmadError, require

Labels = NDArray[np.uint8]  # (frames,), 1 = abnormal

Spans = tuple[tuple[int, int], ...]  # first and last abnormal frame, both included, from 0


@dataclass(frozen=True)
class LabelFile:
    """What a file says of the frames of one clip: one value each, or spans of abnormal ones."""

    path: Path
    values: Labels | None = None
    spans: Spans = ()

    def over(self, clip: str, frames: int, cut: bool = False) -> Labels:
        """Labels (frames,) of a clip.

        Args:
            clip: Name of the clip, for the error.
            frames: Number of frames of the clip.
            cut: The clip lost its end, so that the labels may reach further than its frames.

        Raises:
            DmadError: the labels do not belong to a clip of this length.
        """
        labels = self._spread(frames) if self.values is None else self.values
        require(
            suits(len(labels), frames, cut),
            f"{self.path} labels {len(labels)} frames of clip {clip}, which has {frames}; "
            "give one label a frame",
        )
        return labels[:frames]

    def _spread(self, frames: int) -> Labels:
        labels = np.zeros(max([frames, *(last + 1 for _, last in self.spans)]), np.uint8)
        for first, last in self.spans:
            labels[first : last + 1] = 1
        return labels


@dataclass(frozen=True)
class Split:
    """What a data set offers for one split, before decoding.

    `align` says what is abnormal in the decoded frames; it also knows labels that need the
    decoded lengths (one file for all videos, intervals of a video).

    Args:
        sources: The clips.
        labels: For each clip, labels (frames,), 1 = abnormal; None where there are none or
            the length of the clip must be known first.
        masks: For each clip, where its pixel masks lie: a folder of images, a `.npy` file
            (frames, H, W) or a `.mat` file holding `volLabel`; None where there are none.
        label_name: What the labels are, to name them in results; empty where there are none.
        files: For each clip, what its label file says.
        joined: Labels of all clips in a row, where the clips are videos.
    """

    sources: tuple[ClipSource, ...]
    labels: tuple[Labels | None, ...]
    masks: tuple[Path | None, ...]
    label_name: str = ""
    files: tuple[LabelFile | None, ...] = ()
    joined: LabelFile | None = None


def unlabelled(sources: Sequence[ClipSource]) -> Split:
    """A split that knows nothing but its clips."""
    return Split(tuple(sources), (None,) * len(sources), (None,) * len(sources))


def labelled(
    sources: Sequence[ClipSource],
    masks: Sequence[Path | None],
    whole: Sequence[Path] = (),
    each: Sequence[Sequence[Path]] = (),
    prefix: str = "",
) -> Split:
    """A split with the first labels found: of all clips, of each clip, or from the masks.

    Args:
        sources: The clips.
        masks: For each clip, where its masks lie or None.
        whole: Files that may label all clips: `.npy` in a row, or `.csv` of intervals.
        each: For each clip, files that may label it.
        prefix: Name of the data set, for `Split.label_name`.

    Raises:
        DmadError: a label file is unreadable or does not fit its clip.
    """
    for path in whole:
        if path.is_file():
            files, joined = _read_whole(path, sources)
            return _split(sources, masks, files, f"{prefix} {path.name}".strip(), joined)
    files = []
    for mask, own in zip(masks, each or [()] * len(masks), strict=True):
        found = [path for path in (*own, mask) if path is not None and path.exists()]
        files.append(read_labels(found[0]) if found else None)
    return _split(sources, masks, files, f"{prefix} {_kind(files)}".strip())


def _split(
    sources: Sequence[ClipSource],
    masks: Sequence[Path | None],
    files: Sequence[LabelFile | None],
    name: str,
    joined: LabelFile | None = None,
) -> Split:
    labels = [_known(*pair) for pair in zip(sources, files, strict=True)]
    some = joined is not None or any(file is not None for file in files)
    return Split(tuple(sources), tuple(labels), tuple(masks), name * some, tuple(files), joined)


def _known(source: ClipSource, file: LabelFile | None) -> Labels | None:
    if file is not None and source.path.is_dir():
        return file.over(source.name, len(image_files(source.path)))
    return None if file is None else file.values


def _kind(files: Sequence[LabelFile | None]) -> str:
    path = next((file.path for file in files if file is not None), None)
    if path is None:
        return ""
    if path.is_dir():
        return "pixel masks"
    return ".mat masks" if path.suffix == ".mat" else f"{path.parent.name}/*{path.suffix}"


def read_labels(path: Path) -> LabelFile:
    """Labels of one clip from `.npy`, `.csv`, or any form of masks (abnormal = any pixel is)."""
    if path.suffix == ".csv":
        return LabelFile(path, spans=tuple(span for _, span in _rows(path, 2)))
    if path.suffix == ".npy":
        array = load_array(path)
        if array.ndim < 3:
            return LabelFile(path, _binary(path, array))
    return LabelFile(path, np.array([mask.any() for mask in masks_in(path)], np.uint8))


def _binary(path: Path, array: NDArray[np.generic]) -> Labels:
    values = np.unique(array)
    require(
        bool(np.isin(values, (0, 1)).all()),
        f"{path} holds labels {values[:5].tolist()}; expected 0 (normal) and 1 (abnormal)",
    )
    return array.ravel().astype(np.uint8)


def _read_whole(
    path: Path, sources: Sequence[ClipSource]
) -> tuple[list[LabelFile | None], LabelFile | None]:
    if path.suffix == ".csv":
        return list(_table(path, sources)), None
    file = LabelFile(path, _binary(path, load_array(path)))
    if any(not source.path.is_dir() for source in sources):
        return [None] * len(sources), file
    lengths = [len(image_files(source.path)) for source in sources]
    return list(_cut(file, lengths)), None


def _cut(file: LabelFile, lengths: Sequence[int]) -> list[LabelFile]:
    """One label file a clip, out of one for all clips in a row."""
    assert file.values is not None
    require(
        len(file.values) == sum(lengths),
        f"{file.path} labels {len(file.values)} frames, but the {len(lengths)} clips have "
        f"{sum(lengths)}; give one label a frame, in the order of the clips",
    )
    parts = np.split(file.values, np.cumsum(lengths)[:-1])
    return [LabelFile(file.path, part) for part in parts]


def _table(path: Path, sources: Sequence[ClipSource]) -> list[LabelFile]:
    rows = [(_meant(row, path, sources), span) for row, span in _rows(path, 3)]
    spans = [tuple(span for clip, span in rows if clip is source) for source in sources]
    return [LabelFile(path, spans=found) for found in spans]


def _meant(row: str, path: Path, sources: Sequence[ClipSource]) -> ClipSource:
    """The clip of that name, or else the only one whose file is called so."""
    found = [it for it in sources if it.name == row]
    found = found or [it for it in sources if it.path.name == row]
    several = ", ".join(source.name for source in found)
    require(bool(found), f"{path} labels {row}, but there is no such clip")
    require(len(found) == 1, f"{path} labels {row}, which may be any of {several}; say which")
    return found[0]


def _rows(path: Path, columns: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Rows `[clip,] start, end` of a table of intervals; a first row of words is its header."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    for i, row in enumerate(rows):
        numbers = row[-2:]
        if i == 0 and len(row) == columns and not any(map(str.isdigit, "".join(numbers))):
            continue
        good = len(row) == columns and all(cell.isdecimal() for cell in numbers)
        good = good and int(numbers[0]) <= int(numbers[1])
        expected = ("clip," if columns == 3 else "") + "start,end with start <= end, from 0"
        require(good, f"{path} has the row {','.join(row)!r}; expected {expected}")
        yield row[0] if columns == 3 else "", (int(numbers[0]), int(numbers[1]))


def read_masks(split: Split, clip: Clip, size: int) -> Mask:
    """Pixel masks (frames, size, size) of a decoded clip, nearest neighbour, True = abnormal.

    Raises:
        DmadError: the clip has no masks, they are unreadable or not one a frame.
    """
    lying = zip(split.sources, split.masks, strict=True)
    path = next(masks for source, masks in lying if source.name == clip.name)
    if path is None:
        raise DmadError(f"clip {clip.name} has no pixel masks; `dmad data` says what there is")
    masks = [shrink(mask, size) for mask in masks_in(path)]
    require(
        suits(len(masks), clip.length, clip.cut),
        f"{path} holds {len(masks)} masks, but clip {clip.name} has {clip.length} frames; "
        "give one a frame",
    )
    return np.stack(masks[: clip.length])


def align(split: Split, footage: Footage) -> Labels | None:
    """Labels (N,) of all decoded frames, matched by the names of the clips.

    Returns:
        1 = abnormal, as `footage.frames` lie; None where the split is unlabelled.

    Raises:
        DmadError: labels do not fit the decoded clips, or only some clips are labelled.
    """
    files = _files(split, footage)
    if not any(file is not None for file in files.values()):
        return None
    labels = np.zeros(len(footage.frames), np.uint8)
    for clip in footage.clips:
        file = files[clip.name]
        if file is None:
            raise DmadError(f"clip {clip.name} has no labels while others do; label all or none")
        labels[clip.span] = file.over(clip.name, clip.length, clip.cut)
    return labels


def normal_clips(split: Split, footage: Footage) -> Footage:
    """Decoded clips to train on: those of which no frame is labelled abnormal.

    Raises:
        DmadError: labels do not fit the decoded clips, or none is left.
    """
    files = _files(split, footage)
    marked = {
        clip.name
        for clip in footage.clips
        if (file := files[clip.name]) and file.over(clip.name, clip.length, clip.cut).any()
    }
    clips = tuple(clip for clip in footage.clips if clip.name not in marked)
    require(
        bool(clips), "every clip holds labelled anomalies; put normal footage into a folder train"
    )
    notes = tuple(f"clip {name} holds labelled anomalies: not trained on" for name in marked)
    return replace(footage, clips=clips, skipped=(*footage.skipped, *sorted(notes)))


def _files(split: Split, footage: Footage) -> dict[str, LabelFile | None]:
    """The labels of each clip by name; nothing where it has none."""
    if split.joined is not None:
        return _cut_decoded(split, footage, split.joined)
    return dict(zip((source.name for source in split.sources), split.files, strict=False))


def _cut_decoded(split: Split, footage: Footage, joined: LabelFile) -> dict[str, LabelFile | None]:
    whole = {clip.name: clip.length for clip in footage.clips if not clip.cut}
    lost = ", ".join(it.name for it in split.sources if it.name not in whole)
    require(
        not lost,
        f"{joined.path} labels all clips in a row, but {lost} could not be read in full; "
        "give labels for each clip instead",
    )
    return dict(zip(whole, _cut(joined, list(whole.values())), strict=True))
