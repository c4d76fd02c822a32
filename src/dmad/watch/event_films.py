"""A film of each event, from some seconds before it to some after."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmad.drawing.video_writer import VideoWriter

LONGEST = 60.0  # seconds of a film, so that an event of hours fills no disk


class Clips:
    """Keeps the last seconds of one source, and films its events.

    Args:
        folder: Where the films go.
        fps: Frames a second.
        before: Seconds before an event.
        after: Seconds after it.
    """

    def __init__(self, folder: Path, fps: float, before: float, after: float) -> None:
        self.folder, self.fps, self.after = folder, fps, after
        self._past: deque[NDArray[np.uint8]] = deque(
            maxlen=max(1, round(min(before, LONGEST) * fps))
        )
        self._films: list[_Film] = []

    def push(self, picture: NDArray[np.uint8], now: float) -> None:
        """The next frame (h, w, 3), for the films that are not over by then."""
        self._past.append(picture)
        self._end(now)
        for film in self._films:
            film.write(picture)

    def skip(self) -> None:
        """Nothing was seen: films of events that are over end, and others begin after it."""
        self._past.clear()
        self._end(np.inf)

    def _end(self, now: float) -> None:
        for film in self._films:
            if film.until < now or film.count >= LONGEST * self.fps:
                film.close()
        self._films = [film for film in self._films if not film.closed]

    def path(self, name: str) -> Path:
        """Where the film of an event lies."""
        return self.folder / f"{name}.mp4"

    def start(self, name: str) -> None:
        """Film an event that has begun."""
        film = _Film(name, self.path(name), self.fps)
        self._films.append(film)
        for picture in self._past:
            film.write(picture)

    def end(self, name: str, at: float) -> None:
        """The event ended at a time in seconds; its film goes on for a while."""
        for film in self._films:
            if film.name == name:
                film.until = at + self.after

    def close(self) -> None:
        """Close what is open; for the end of a source."""
        with ExitStack() as stack:  # each, also where one cannot be
            for film in self._films:
                stack.callback(film.close)
            self._films = []


class _Film:
    def __init__(self, name: str, path: Path, fps: float) -> None:
        self.name, self.path = name, path
        self.until, self.count, self.closed = np.inf, 0, False
        self._writer = VideoWriter(path, fps)
        self._size: tuple[int, ...] = ()

    def write(self, picture: NDArray[np.uint8]) -> None:
        """A frame; of another size than the first it is left out."""
        self._size = self._size or picture.shape
        if picture.shape == self._size and not self.closed:
            self._writer.write(picture)
            self.count += 1

    def close(self) -> None:
        self.closed = True
        self._writer.close()
