"""Finds the clips in a folder and its inner folders, and the view that each clip shows.

Notes tell the user which folders are taken as views, and which files are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from dmad.data.reading.paths import (
    holds_images,
    is_clip,
    is_image,
    is_special,
    natural_key,
)
from dmad.data.reading.video_header import open_video, video_stream

MOST_LEVELS = 6  # clips are searched in at most this many nested folders
MOST_OPENED = 50  # at most this many files of unknown endings are opened to see if they are videos
MOST_NAMED = 3  # at most this many files are named in a note
OTHER_ENDINGS = frozenset((".csv", ".db", ".gz", ".html", ".ini", ".json", ".log", ".mat", ".md",
                           ".mp3", ".npy", ".npz", ".pdf", ".py", ".srt", ".tar", ".tsv", ".txt",
                           ".vtt", ".wav", ".xml", ".yaml", ".yml", ".zip"))  # fmt: skip
MONTH = (
    r"(?i:jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?"
    r"|oct(ober)?|nov(ember)?|dec(ember)?)"
)
DATE = (
    r"(19|20)\d\d(?P<mark>[-_. ]?)(0[1-9]|1[0-2])(?P=mark)(0[1-9]|[12]\d|3[01])"
    r"|(19|20)\d\d(?P<mark_2>[-_. ])\d?\d(?P=mark_2)\d?\d"
    r"|\d\d(?P<mark_3>[-_.])\d\d(?P=mark_3)(19|20)\d\d"
    r"|(19|20)\d\d-(W[0-5]\d|00[1-9]|0[1-9]\d|[12]\d\d|3[0-6]\d)|(19|20)\d\d年\d?\d月\d?\d日"
    rf"|\d?\d[-_. ]?{MONTH}[-_. ]?(19|20)\d\d"
)
CLOCK = r"\d\d?([-_.hH]?\d\d){0,2}h?"
DATED = re.compile(rf"({DATE})([-_. T]?{CLOCK}([-_+]{CLOCK})?|[-_ ]?[AP]M)?")
YEAR = re.compile(r"(19|20)\d\d")
YEAR_AND_MONTH = re.compile(
    rf"(19|20)\d\d[-_.](0[1-9]|1[0-2])|({MONTH}|0[1-9]|1[0-2])[-_. ](19|20)\d\d"
)
MONTH_OR_DAY = re.compile(rf"\d?\d|{MONTH}")
TIME = re.compile(r"[0-5]\d|[0-2]?\d[hH]|[AP]M")


@dataclass(frozen=True)
class FoundClip:
    """A clip that was found below a folder.

    Args:
        path: Path of the clip.
        folders: Names of the folders between that folder and the clip, the outermost first.
    """

    path: Path
    folders: tuple[str, ...] = ()

    @property
    def view(self) -> str:
        """Name of the view: the names of the clip's folders, joined by slashes.

        Folders are often named after cameras. Folders named after a date or a time are left out.
        """
        return "/".join(without_dates(self.folders))


def clips_in(folder: Path) -> list[Path]:
    """Video files and folders of frames directly inside a folder, in natural order."""
    return [path for path in visible(folder) if is_clip(path)]


def clips_below(folder: Path) -> list[FoundClip]:
    """The clips in a folder, and in the folders inside it. Folders named `masks` are left out."""
    return list(_clips_below(folder, (), set()))


def _clips_below(folder: Path, names: tuple[str, ...], visited: set[Path]) -> Iterator[FoundClip]:
    visited.add(folder.resolve())
    inside = visible(folder)
    yield from (FoundClip(path, names) for path in inside if is_clip(path))
    for path in inside:
        is_skipped = len(names) == MOST_LEVELS or path.name == "masks" or path.resolve() in visited
        if path.is_dir() and not is_skipped and not holds_images(path):
            yield from _clips_below(path, (*names, path.name), visited)


def visible(folder: Path) -> list[Path]:
    """All paths in a folder that are not hidden, in natural order. A file gives an empty list."""
    inside = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in inside if not path.name.startswith(".")), key=natural_key)


def without_dates(folders: Sequence[str]) -> list[str]:
    """Return the names of nested folders without the names that are dates or times.

    A month, day or hour, such as `07`, is left out only inside a folder that is named after a date
    or a year.

    Args:
        folders: The names, the outermost folder first.
    """
    names, below_a_date, missing = [], False, 0  # missing: 2 (month and day), 1 (day) or 0
    for name in folders:
        if DATED.fullmatch(name):
            below_a_date, missing = True, 0
        elif YEAR.fullmatch(name):
            below_a_date, missing = True, 2
        elif YEAR_AND_MONTH.fullmatch(name):
            below_a_date, missing = True, 1
        elif missing and MONTH_OR_DAY.fullmatch(name):
            missing -= 1
        elif not (below_a_date and TIME.fullmatch(name)):
            names.append(name)
    return names


def note_on_views(clips: Sequence[FoundClip]) -> list[str]:
    """Return a list with one note, which says which folders are taken as views.

    If there are folders named after a date or a time, the note also says that they are no
    views. If there is only one view and no such folder, the list is empty.
    """
    views = sorted({clip.view for clip in clips if clip.view})
    named = sum(len(without_dates(clip.folders)) for clip in clips)
    has_dates = named < sum(len(clip.folders) for clip in clips)
    dates = "; folders named after a date or a time are no views" if has_dates else ""
    if len(views) < 2:
        return [f"all clips show one view{dates}"] if has_dates else []
    return [f"{len(views)} folders are taken as separate views ({', '.join(views)}){dates}"]


def notes_on_left_out(paths: Sequence[Path]) -> list[str]:
    """Return notes on files that are not read: videos of unknown endings, pipes and devices."""
    special = [path for path in paths if is_special(path)]
    unknown = [
        path
        for path in paths
        if path.suffix.lower() not in OTHER_ENDINGS
        and not (path in special or path.is_dir() or is_clip(path) or is_image(path))
    ]
    films = [path for path in unknown[:MOST_OPENED] if _is_film(path)]
    notes = []
    if films:
        notes.append(
            f"{_named(films)} left out: in folders, videos with these endings are not read; give "
            "the path of such a file, or rename it"
        )
    if special:
        notes.append(f"{_named(special)} left out: they are not regular files")
    return notes


def _named(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:MOST_NAMED])
    return f"{len(paths)} files ({names}{', ...' if len(paths) > MOST_NAMED else ''})"


def _is_film(path: Path) -> bool:
    """True if FFmpeg finds a video in a file, and the file is no picture and no text."""
    try:
        with open_video(path) as container:
            stream = video_stream(container)
            name = container.format.name
            return stream.width > 0 and name not in ("tty", "image2") and "_pipe" not in name
    except (av.FFmpegError, OSError, ValueError):
        return False
