"""Writes the film and the thumbnail of each event. A full disk does not stop the watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from dmad.drawing import pictures as drawing
from dmad.drawing.video_writer import annotate
from dmad.errors import DmadError, one_line
from dmad.forms.video.pictures import ColourScale, pictures
from dmad.watch.event_films import EventFilms
from dmad.watch.events import EventUpdate
from dmad.watch.messages import EventMessage

CLIPS, THUMBNAILS = "clips", "thumbnails"  # folders for the films and the thumbnails
LONGEST_RECORDING = 1e8  # seconds; a larger time in a message is a Unix time
WRITE_ERRORS = (OSError, av.FFmpegError, DmadError)


def time_text(seconds: float) -> str:
    """Return a time of a message as text: local date and time, or seconds of a recording."""
    if seconds < LONGEST_RECORDING:
        return f"{seconds:.1f} s"
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


class EventMedia:
    """Writes the films and thumbnails of one camera's events.

    If a file cannot be written, for example because the disk is full, there is a warning and the
    films are closed. No error is raised.

    Args:
        films: Writes the films.
        thumbnails: Folder for the thumbnails.
        scale: Says which scores are drawn in full colour in the thumbnails.
        warn: Called with each warning.
    """

    def __init__(
        self,
        films: EventFilms,
        thumbnails: Path,
        scale: ColourScale,
        warn: Callable[[str], None],
    ) -> None:
        self.films, self.thumbnails, self.scale = films, thumbnails, scale
        self._warn = warn
        self._aspect = 1.0  # width divided by height of the camera's pictures

    def add_picture(self, picture: NDArray[np.uint8], time: float) -> None:
        """Add the next picture (h, w, 3) of the camera."""
        self._aspect = picture.shape[1] / picture.shape[0]
        with self._errors_as_warnings():
            self.films.add_picture(picture, time)

    def add_gap(self) -> None:
        """Call `EventFilms.add_gap`, because pictures of the camera are missing."""
        with self._errors_as_warnings():
            self.films.add_gap()

    def add_event(self, update: EventUpdate) -> EventMessage:
        """Start or end the film of an event, and draw its frame with the highest score.

        Returns:
            The message, with the paths of the film and the thumbnail if they could be written.
        """
        message = update.message
        thumbnail = self.thumbnails / f"{message.id}.png"
        with self._errors_as_warnings():
            if message.state == "new":
                self.films.start_event(message.id)
            if message.end is not None:
                self.films.end_event(message.id, message.end)
            self._save_thumbnail(update, thumbnail)
            film = self.films.path(message.id)
            return replace(message, clip=str(film), thumbnail=str(thumbnail))
        return message

    def close(self) -> None:
        """Close all films."""
        with self._errors_as_warnings():
            self.films.close()

    def _save_thumbnail(self, update: EventUpdate, path: Path) -> None:
        message = update.message
        (picture,) = pictures(update.peak.batch, self.scale, self._aspect)
        picture = replace(picture, calibrated=message.score)
        heat = drawing.mark_box(picture.heat, message.box)
        heat = annotate(heat, [time_text(message.peak), picture.score_text()])
        frame = drawing.resized(picture.frame, *picture.size)
        place = drawing.enlarged(frame, message.box)
        drawing.save_png(np.hstack((heat, place)), path, private=True)

    @contextmanager
    def _errors_as_warnings(self) -> Iterator[None]:
        try:
            yield
        except WRITE_ERRORS as error:
            self._warn(f"a film or picture is not written: {one_line(error)}")
            with suppress(*WRITE_ERRORS):
                self.films.close()
