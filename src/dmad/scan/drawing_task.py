"""A task that draws events: a picture and a film for each of the strongest events."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dmad.scan.archive import ArchiveSource

PICTURES, FILMS = "pictures", "films"


@dataclass(frozen=True)
class DrawnEvent:
    """An event that is drawn. Times are in seconds since the start of its source."""

    name: str  # name of its files
    start: float
    end: float
    peak: float
    page: int = 0  # page of an image file with several pages


@dataclass(frozen=True)
class DrawingTask:
    """The task to draw the events of one source."""

    source: ArchiveSource
    events: tuple[DrawnEvent, ...]
    folder: Path  # with the folders `pictures` and `films`

    @property
    def name(self) -> str:
        """A name that no other task has."""
        return f"pictures of {self.source.path}"

    @property
    def title(self) -> str:
        """What is drawn, for messages."""
        return self.name


def drawing_name(source: ArchiveSource, peak: float) -> str:
    """Return a name for the files of an event. It changes if the source changes."""
    text = repr((source.path, source.size, source.stamp, peak))
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def picture_path(folder: Path, name: str) -> Path:
    """Return the path of the picture of an event."""
    return folder / PICTURES / f"{name}.webp"


def film_path(folder: Path, name: str) -> Path:
    """Return the path of the film of an event."""
    return folder / FILMS / f"{name}.mp4"
