"""Writes films of events. A film shows an event, and some seconds before and after the event."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dmad.drawing.video_writer import VideoWriter
from dmad.files import remove_unfinished

LONGEST_FILM = 60.0  # seconds, so that an event of hours does not fill the disk

Pixels = NDArray[np.uint8]


class EventFilms:
    """Keeps the last pictures of one camera, and writes films of its events.

    Args:
        folder: Folder for the films.
        fps: Pictures per second.
        before: Number of seconds before the event that a film shows.
        after: Number of seconds after the event that a film shows.
        longest: Longest duration of a film in seconds.
    """

    def __init__(
        self,
        folder: Path,
        fps: float,
        before: float,
        after: float,
        longest: float = LONGEST_FILM,
    ) -> None:
        self.folder, self.fps, self.after = folder, fps, after
        remove_unfinished(folder)  # films of a process that was killed
        self._most_pictures = longest * fps
        kept = max(1, round(min(before, longest) * fps))
        self._past: deque[Pixels] = deque(maxlen=kept)
        self._films: list[_Film] = []  # the unfinished films

    def path(self, event: str) -> Path:
        """The path of an event's film."""
        return self.folder / f"{event}.mp4"

    def add_picture(self, picture: Pixels, time: float) -> None:
        """Add a picture (h, w, 3) to all films that are not complete.

        Films that end before `time`, or that have the longest duration, are closed first.
        """
        self._past.append(picture)
        self._close_films_over_at(time)
        for film in self._films:
            film.add_picture(picture)

    def add_gap(self) -> None:
        """Forget the past pictures, and close the films of events that have ended.

        Call this after a gap, which is a time without pictures.
        """
        self._past.clear()
        self._close_films_over_at(np.inf)

    def start_event(self, event: str) -> None:
        """Start the film of an event with the pictures before the event."""
        film = _Film(event, VideoWriter(self.path(event), self.fps))
        self._films.append(film)
        for picture in self._past:
            film.add_picture(picture)

    def end_event(self, event: str, end: float) -> None:
        """Set the end of an event in seconds. The film ends `after` seconds later."""
        for film in self._films:
            if film.event == event:
                film.end = end + self.after

    def close(self) -> None:
        """Close all films."""
        with ExitStack() as stack:  # closes every film, even if one cannot be written
            for film in self._films:
                stack.callback(film.close)
            self._films = []

    def _close_films_over_at(self, time: float) -> None:
        for film in self._films:
            if film.end < time or film.count >= self._most_pictures:
                film.close()
        self._films = [film for film in self._films if not film.closed]


class _Film:
    def __init__(self, event: str, writer: VideoWriter) -> None:
        self.event = event
        self.end = np.inf  # seconds
        self.count = 0  # pictures in it
        self.closed = False
        self._writer = writer
        self._shape: tuple[int, ...] | None = None

    def add_picture(self, picture: Pixels) -> None:
        """Add a picture. It is resized if the first picture of the film has another size."""
        if self._shape is None:
            self._shape = picture.shape
        if picture.shape != self._shape:
            height, width = self._shape[:2]
            picture = np.asarray(Image.fromarray(picture).resize((width, height)))
        if not self.closed:
            self._writer.write(picture)
            self.count += 1

    def close(self) -> None:
        self.closed = True
        self._writer.close()
