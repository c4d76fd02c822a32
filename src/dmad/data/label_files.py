"""Reads label files: one value per frame, tables of intervals, or pixel masks."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmad.data.footage import ClipSource, count_fits
from dmad.data.masks import load_array, read_masks_of_clip
from dmad.errors import DmadError, require

Labels = NDArray[np.uint8]  # (frames,), 1 = abnormal
Interval = tuple[int, int]  # first and last abnormal frame, both included, from 0
Period = tuple[float, float]  # start and end of an anomaly, in seconds since the first frame

TIME_CODE = re.compile(r"(?:(?:(\d+):)?(\d+):)(\d+(?:[.,]\d+)?)|(\d+(?:[.,]\d+)?)\s?s")
EXACT = 1e-3  # seconds by which a time code may be rounded
LATE = 1.0  # seconds; a period that ends later than this after the last frame is an error


@dataclass(frozen=True)
class ClipLabels:
    """The labels of one clip in a file: one value per frame, or intervals and periods.

    An interval has the first and the last frame of an anomaly. A period has the start and the end
    of an anomaly in seconds. `at_times` converts periods to intervals.
    """

    path: Path
    values: Labels | None = None
    intervals: tuple[Interval, ...] = ()
    periods: tuple[Period, ...] = ()

    def at_times(self, clip: str, times: Sequence[float], cut: bool = False) -> ClipLabels:
        """The same labels, with an interval of frames for each period.

        Args:
            clip: Name of the clip, for the error.
            times: Time of each frame, in seconds since the first frame.
            cut: True if the end of the clip is lost, so that a period may be after its last frame.

        Raises:
            DmadError: A period begins after the end of the clip, or ends more than `LATE` seconds
                after the last frame.
        """
        latest = max((end for _, end in self.periods), default=0.0)
        last_shown = float(np.median(np.diff(times))) if len(times) > 1 else 0.0  # seconds
        end_of_clip = times[-1] + last_shown + EXACT
        periods = [(start, end) for start, end in self.periods if start <= end_of_clip]
        require(
            cut or (latest <= times[-1] + LATE and len(periods) == len(self.periods)),
            f"{self.path} labels second {latest:g} of clip {clip}, which has {times[-1]:g} seconds",
        )
        shown = [np.searchsorted(times, np.add(period, EXACT), "right") for period in periods]
        intervals = [(max(int(first) - 1, 0), int(last) - 1) for first, last in shown]
        return replace(self, intervals=(*self.intervals, *intervals), periods=())

    def for_clip(self, clip: str, frames: int, cut: bool = False) -> Labels:
        """The labels (frames,) of a clip: 1 for an abnormal frame, 0 for a normal frame.

        Args:
            clip: Name of the clip, for the error.
            frames: Number of frames of the clip.
            cut: True if the end of the clip is lost, so that there may be more labels than frames.

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
        path: `.npy` file with one value per frame, `.csv` file with rows `start,end` (frames from
            0, or time codes such as 0:01:02.5), or masks in a form that `read_masks_of_clip` reads.
            A frame is abnormal if its mask is not empty.

    Raises:
        DmadError: The file is unreadable.
    """
    if path.suffix == ".csv":
        return _labels_of_rows(path, [extent for _, extent in _read_rows(path, 2)])
    if path.suffix == ".npy":
        array = load_array(path)
        if array.ndim < 3:
            return ClipLabels(path, _binary(path, array))
    abnormal = [mask.any() for mask in read_masks_of_clip(path)]
    return ClipLabels(path, np.array(abnormal, np.uint8))


def read_joined_labels(path: Path) -> ClipLabels:
    """Read a `.npy` file with one value per frame of all clips, one clip after the other."""
    return ClipLabels(path, _binary(path, load_array(path)))


def read_table(path: Path, sources: Sequence[ClipSource]) -> list[ClipLabels]:
    """Read the labels of each clip from a `.csv` file with rows `clip,start,end`.

    Raises:
        DmadError: A row is invalid, or its name fits no clip or several clips.
    """
    rows = [(_named_clip(name, path, sources), extent) for name, extent in _read_rows(path, 3)]
    return [
        _labels_of_rows(path, [extent for clip, extent in rows if clip is source])
        for source in sources
    ]


def split_joined_labels(joined: ClipLabels, lengths: Sequence[int]) -> list[ClipLabels]:
    """Split the labels of all clips, stored one clip after the other, into one part per clip.

    Args:
        joined: The labels of all clips.
        lengths: Number of frames of each clip.

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
    """Return the clip that a table calls `name`: by its name in the split, else by its file name.

    Args:
        name: The name in the table.
        path: The table, for the error.
        sources: The clips.

    Raises:
        DmadError: No clip or several clips have this name.
    """
    named = [source for source in sources if source.name == name]
    if not named:
        named = [source for source in sources if source.path.name == name]
    require(bool(named), f"{path} labels {name}, but there is no such clip")
    several = ", ".join(source.name for source in named)
    require(
        len(named) == 1,
        f"{path} labels {name}, but several clips have this name; give one of {several}",
    )
    return named[0]


def _labels_of_rows(path: Path, extents: Sequence[Interval | Period]) -> ClipLabels:
    frames = [(first, last) for first, last in extents if isinstance(first, int)]
    seconds = [(first, last) for first, last in extents if isinstance(first, float)]
    return ClipLabels(path, intervals=tuple(frames), periods=tuple(seconds))  # type: ignore[arg-type]


def _read_rows(path: Path, columns: int) -> list[tuple[str, Interval | Period]]:
    """Read the rows of a table. Each row gives the name of a clip, and an interval or a period.

    An interval has the first and the last abnormal frame. A period has the start and the end of an
    anomaly in seconds.

    Args:
        path: The table. The first row may be a header. The columns may be separated by semicolons
            or tabs instead of commas.
        columns: Number of columns: 3 (clip, start and end), or 2 (start and end; the names are
            empty).

    Raises:
        DmadError: A row is invalid.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    divider = next((mark for mark in ";\t" if mark in text), ",")
    table = csv.reader(text.splitlines(), delimiter=divider)
    rows = [[cell.strip() for cell in row] for row in table if any(row)]
    if rows and len(rows[0]) == columns and not re.search(r"\d", "".join(rows[0][-2:])):
        rows = rows[1:]  # a header
    expected = ("clip," if columns == 3 else "") + "start,end with start <= end: "
    expected += "frame numbers from 0, or time codes such as 0:01:02.5"
    parsed = []
    for row in rows:
        message = f"{path} has the row {divider.join(row)!r}; expected {expected}"
        require(len(row) == columns, message)
        extent = _extent(*row[-2:])
        if extent is None or extent[0] > extent[1]:
            raise DmadError(message)
        parsed.append((row[0] if columns == 3 else "", extent))
    return parsed


def _extent(first: str, last: str) -> Interval | Period | None:
    """Start and end in a row of a table: two frame numbers, or two times in seconds.

    None: a text is something else, or only one of the two is a frame number.
    """
    if first.isdecimal() and last.isdecimal():
        return int(first), int(last)
    seconds = [_seconds(text) for text in (first, last)]
    if seconds[0] is None or seconds[1] is None:
        return None
    return seconds[0], seconds[1]


def _seconds(text: str) -> float | None:
    """Seconds of a time code, such as 1:02:03.5, 02:03 or 12.5 s; None for any other text."""
    found = TIME_CODE.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, alone = (
        float((part or "0").replace(",", ".")) for part in found.groups()
    )
    return 3600 * hours + 60 * minutes + seconds + alone
