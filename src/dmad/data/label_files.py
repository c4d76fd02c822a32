"""Reads label files: one value per frame, tables of intervals, or pixel masks."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmad.data.footage import ClipSource, count_fits
from dmad.data.masks import load_array, read_masks_of_clip
from dmad.errors import require

Labels = NDArray[np.uint8]  # (frames,), 1 = abnormal
Interval = tuple[int, int]  # first and last abnormal frame, both included, from 0


@dataclass(frozen=True)
class ClipLabels:
    """The labels of one clip in a file: one value per frame, or the abnormal intervals."""

    path: Path
    values: Labels | None = None
    intervals: tuple[Interval, ...] = ()

    def for_clip(self, clip: str, frames: int, cut: bool = False) -> Labels:
        """The labels (frames,) of a clip.

        Args:
            clip: Name of the clip, for the error.
            frames: Number of frames of the clip.
            cut: The clip lost its end, so there may be more labels than frames.

        Raises:
            DmadError: The labels do not fit a clip of this length.
        """
        labels = self._from_intervals(frames) if self.values is None else self.values
        require(
            count_fits(len(labels), frames, cut),
            f"{self.path} labels {len(labels)} frames of clip {clip}, which has {frames}; "
            "give one label per frame",
        )
        return labels[:frames]

    def _from_intervals(self, frames: int) -> Labels:
        ends = [last + 1 for _, last in self.intervals]
        labels = np.zeros(max([frames, *ends]), np.uint8)
        for first, last in self.intervals:
            labels[first : last + 1] = 1
        return labels


def read_clip_labels(path: Path) -> ClipLabels:
    """Read the labels of one clip.

    Args:
        path: `.npy` file with one value per frame, `.csv` file with rows `start,end`, or masks in a
            form that `read_masks_of_clip` reads. A frame is abnormal if its mask is not empty.

    Raises:
        DmadError: The file is unreadable.
    """
    if path.suffix == ".csv":
        return ClipLabels(path, intervals=tuple(interval for _, interval in _read_rows(path, 2)))
    if path.suffix == ".npy":
        array = load_array(path)
        if array.ndim < 3:
            return ClipLabels(path, _binary(path, array))
    abnormal = [mask.any() for mask in read_masks_of_clip(path)]
    return ClipLabels(path, np.array(abnormal, np.uint8))


def read_joined_labels(path: Path) -> ClipLabels:
    """Read a `.npy` file with the labels of all clips, one after the other."""
    return ClipLabels(path, _binary(path, load_array(path)))


def read_table(path: Path, sources: Sequence[ClipSource]) -> list[ClipLabels]:
    """Read the labels of each clip from a `.csv` file with rows `clip,start,end`.

    Raises:
        DmadError: A row is invalid, or its name fits no clip or several clips.
    """
    rows = [(_named_clip(name, path, sources), interval) for name, interval in _read_rows(path, 3)]
    labels = []
    for source in sources:
        intervals = tuple(interval for clip, interval in rows if clip is source)
        labels.append(ClipLabels(path, intervals=intervals))
    return labels


def split_joined_labels(joined: ClipLabels, lengths: Sequence[int]) -> list[ClipLabels]:
    """Split the labels of all clips, stored one clip after the other, into one part per clip.

    Raises:
        DmadError: There are more or fewer labels than frames.
    """
    assert joined.values is not None
    require(
        len(joined.values) == sum(lengths),
        f"{joined.path} labels {len(joined.values)} frames, but the {len(lengths)} clips have "
        f"{sum(lengths)}; give one label per frame, in the order of the clips",
    )
    parts = np.split(joined.values, np.cumsum(lengths)[:-1])
    return [ClipLabels(joined.path, part) for part in parts]


def _binary(path: Path, array: NDArray[np.generic]) -> Labels:
    values = np.unique(array)
    require(
        bool(np.isin(values, (0, 1)).all()),
        f"{path} holds labels {values[:5].tolist()}; expected 0 (normal) and 1 (abnormal)",
    )
    return array.ravel().astype(np.uint8)


def _named_clip(name: str, path: Path, sources: Sequence[ClipSource]) -> ClipSource:
    """The clip with this name, or the only clip whose file has this name."""
    named = [source for source in sources if source.name == name]
    if not named:
        named = [source for source in sources if source.path.name == name]
    require(bool(named), f"{path} labels {name}, but there is no such clip")
    several = ", ".join(source.name for source in named)
    require(len(named) == 1, f"{path} labels {name}, but this may be {several}; give one of them")
    return named[0]


def _read_rows(path: Path, columns: int) -> list[tuple[str, Interval]]:
    """Rows `[clip,] start, end` of a table. The first row may be a header."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    if rows and len(rows[0]) == columns and not re.search(r"\d", "".join(rows[0][-2:])):
        rows = rows[1:]  # a header
    expected = ("clip," if columns == 3 else "") + "start,end with start <= end, from 0"
    parsed = []
    for row in rows:
        message = f"{path} has the row {','.join(row)!r}; expected {expected}"
        require(len(row) == columns and all(cell.isdecimal() for cell in row[-2:]), message)
        first, last = int(row[-2]), int(row[-1])
        require(first <= last, message)
        parsed.append((row[0] if columns == 3 else "", (first, last)))
    return parsed
