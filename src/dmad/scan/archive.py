"""Finds the sources of an archive: films, folders of frames or images, and all other files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dmad.data.clip_search import without_dates
from dmad.data.reading.paths import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_special
from dmad.errors import DmadError, one_line, require
from dmad.scan.addresses import (
    Entry,
    absolute,
    describe,
    entries_of,
    expanded,
    inner_part,
    is_address,
    printable_path,
)

Judges = Literal["frames", "images"]  # what the model judges

LISTS = (".txt", ".csv", ".parquet")  # files that list paths
LEFT_OUT_FOLDERS = ("masks", "ground_truth")  # folders of data sets that are not searched
EMPTY = "it is empty"
IMAGE = "image"


@dataclass(frozen=True)
class ArchiveSource:
    """A film, a folder of frames, an image, or a file that is left out (not judged).

    The stamp is the time of the last change, or a tag of a server. If size or stamp changes, the
    source has changed, and is judged again.
    """

    path: str  # absolute, or an address
    size: int  # bytes
    stamp: str  # as in `Entry`; of a folder of frames: `12 files, ` and the newest stamp
    view: str  # name of the view
    reason: str = ""  # why it is left out; empty if it is judged


def find_sources(
    archives: Sequence[str], judges: Judges, skipped_folder: str = ""
) -> Iterator[ArchiveSource]:
    """Yield the sources in archives. Numbers in names are sorted by value: 2 before 10.

    Args:
        archives: Folders, files, patterns with `*`, lists of paths (.txt, .csv or .parquet), and
            addresses of fsspec.
        judges: "frames" takes films and folders of frames, "images" takes images.
        skipped_folder: A folder that is not searched: the folder for the results.

    Yields:
        Each source, and each file that is left out. Hidden files and folders are ignored.

    Raises:
        DmadError: An archive does not exist, or a list has no column `path`.
    """
    search = _Search(judges, skipped_folder)
    for archive in archives:
        for path in expanded(archive):
            for source in search.archive(path):
                yield replace(source, view=printable_path(source.view))


class _Search:
    def __init__(self, judges: Judges, skipped_folder: str) -> None:
        self.judges, self.skipped_folder = judges, skipped_folder
        self._visited: set[str] = set()  # searched folders, with links resolved

    def archive(self, path: str) -> Iterator[ArchiveSource]:
        found = describe(path)
        require(
            found is not None, f"{path} does not exist; give folders, files, lists or addresses"
        )
        assert found is not None
        suffix = _suffix(found.name)
        if found.is_folder:
            name = found.name or "root"
            yield from self.folder(path, (), name)
        elif suffix in LISTS:
            for listed, view in read_list(path):
                yield self.file(listed, describe(listed), view or view_of_file(listed))
        else:
            yield self.file(path, found, view_of_file(path))

    def folder(self, folder: str, names: tuple[str, ...], top: str) -> Iterator[ArchiveSource]:
        """Yield the sources in a folder and its inner folders, and the files that are left out.

        Args:
            folder: The folder.
            names: Names of the folders from the archive down to this folder, without the archive.
            top: Name of the archive.
        """
        view = "/".join(without_dates(names)) or top
        try:
            entries = entries_of(folder)
        except OSError as error:
            yield ArchiveSource(
                folder, 0, "", view, f"the folder cannot be read ({one_line(error)})"
            )
            return
        files = [entry for entry in entries if not entry.is_folder]
        if self.judges == "frames" and _is_clip(files):
            outside = "/".join(without_dates(names[:-1])) or (top if names else "")
            yield _clip_of(folder, files, outside or view_of_file(folder))
            files = [entry for entry in files if _suffix(entry.name) not in IMAGE_SUFFIXES]
        yield from (self.file(entry.path, entry, view) for entry in files)
        for entry in entries:
            if entry.is_folder and self._enters(entry):
                yield from self.folder(entry.path, (*names, entry.name), top)

    def file(self, path: str, entry: Entry | None, view: str) -> ArchiveSource:
        """Return a file as a source. If a list names a folder of frames, return this folder."""
        if entry is None:
            return ArchiveSource(path, 0, "", view, "it does not exist")
        if entry.is_folder:
            files = [one for one in entries_of(path) if not one.is_folder]
            if self.judges == "frames" and _is_clip(files):
                return _clip_of(path, files, view)
            return ArchiveSource(path, 0, entry.stamp, view, "it is a folder; list its files")
        reason = self._reason(_suffix(entry.name)) or ("" if entry.size else EMPTY)
        if not reason and not is_address(path) and is_special(Path(path)):
            reason = "it is a pipe or a device"
        return ArchiveSource(path, entry.size, entry.stamp, view, reason)

    def _reason(self, suffix: str) -> str:
        """Return why files with an ending are left out; empty if they are judged."""
        is_film, is_image = suffix in VIDEO_SUFFIXES, suffix in IMAGE_SUFFIXES
        if self.judges == "frames":
            if is_image:
                return "it is an image; a model of video judges films and folders of frames"
            return "" if is_film else f"it is not a film: {_called(suffix)}"
        if is_film:
            return "it is a film; a model of images judges images"
        return "" if is_image else f"it is not an image: {_called(suffix)}"

    def _enters(self, entry: Entry) -> bool:
        if entry.name in LEFT_OUT_FOLDERS or entry.path == self.skipped_folder:
            return False
        if is_address(entry.path):
            return True
        real = os.path.realpath(entry.path)
        if real in self._visited or (real != entry.path and self._is_inside(entry.path, real)):
            return False
        self._visited.add(real)
        return True

    @staticmethod
    def _is_inside(link: str, target: str) -> bool:
        """True if a link leads to a folder that contains the link: the search would not end."""
        return os.path.realpath(os.path.dirname(link)).startswith(f"{target}{os.sep}")


def read_list(path: str) -> Iterator[tuple[str, str]]:
    """Yield each path of a list, and its view; "" if the list does not name the view.

    Args:
        path: A .txt file with a path in each line, or a .csv or .parquet file with a column `path`
            and optionally a column `view`. Relative paths start at the folder of the list.

    Raises:
        DmadError: The list cannot be read, or it has no column `path`.
    """
    folder = path.rpartition("/")[0]
    try:
        for row in _rows_of(path):
            name, view = str(row.get("path") or ""), str(row.get("view") or "")
            if name:
                is_whole = is_address(name) or name.startswith("/")
                yield absolute(name if is_whole else f"{folder}/{name}"), view
    except (OSError, ValueError, csv.Error) as error:
        raise DmadError(f"{path} is no readable list of paths ({one_line(error)})") from error


def _rows_of(path: str) -> Iterator[dict[str, Any]]:
    suffix = _suffix(path)
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as table:
            _require_column(path, table.schema_arrow.names)
            columns = [name for name in ("path", "view") if name in table.schema_arrow.names]
            for batch in table.iter_batches(columns=columns):
                yield from batch.to_pylist()
        return
    with open(path, newline="", errors="surrogateescape") as file:
        if suffix == ".txt":
            yield from ({"path": line.strip()} for line in file)
            return
        table = csv.DictReader(file)
        _require_column(path, table.fieldnames or ())
        yield from table


def _require_column(path: str, names: Iterable[str]) -> None:
    found = ", ".join(names)
    require("path" in found.split(", "), f"{path} has no column path; it has {found}")


def view_of_file(path: str) -> str:
    """Return the view of a file: the name of its folder.

    Folders named after a date or an hour are skipped.
    """
    parts = [part for part in inner_part(path).split("/")[:-1] if part and not part.endswith(":")]
    return (without_dates(parts) or ["root"])[-1]


def _is_clip(files: Sequence[Entry]) -> bool:
    """True if a folder with these files is a clip: it holds images and no films."""
    suffixes = {_suffix(entry.name) for entry in files}
    return bool(suffixes & IMAGE_SUFFIXES) and not suffixes & VIDEO_SUFFIXES


def _clip_of(folder: str, files: Sequence[Entry], view: str) -> ArchiveSource:
    """Return a folder of frames as a source."""
    size, stamp = identity_of_frames(files)
    return ArchiveSource(folder, size, stamp, view)


def identity_of_frames(files: Iterable[Entry]) -> tuple[int, str]:
    """Return size in bytes and stamp of a folder of frames.

    The stamp is the number of frames, and the time of the newest frame or a tag of a server.
    """
    frames = [entry for entry in files if _suffix(entry.name) in IMAGE_SUFFIXES]
    newest = max((entry.stamp for entry in frames), default="")
    return sum(entry.size for entry in frames), f"{len(frames)} files, {newest}"


def identity_of(path: str) -> tuple[int, str] | None:
    """Return the present size and stamp of a source, as in `ArchiveSource`.

    None if the source does not exist or cannot be read.
    """
    try:
        found = describe(path)
        if found is None or not found.is_folder:
            return None if found is None else (found.size, found.stamp)
        return identity_of_frames(entry for entry in entries_of(path) if not entry.is_folder)
    except (OSError, DmadError):
        return None


def kind_of(path: str) -> str:
    """Return the kind of a source: `image`, `folder`, or the ending of a film, such as `.mp4`."""
    suffix = _suffix(inner_part(path))
    if suffix in IMAGE_SUFFIXES:
        return IMAGE
    return suffix if suffix in VIDEO_SUFFIXES else "folder"


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _called(suffix: str) -> str:
    return f"its name ends with {suffix}" if suffix else "its name has no ending"
