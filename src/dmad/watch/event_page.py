"""The page `index.html`, which shows the events that `dmad watch` found."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dmad.drawing.page import template, text_of
from dmad.errors import DmadError, one_line
from dmad.predict.index_page import (
    INDEX,
    PACKAGE,
    counted,
    link_to,
    page_text,
    player_time,
    replace_page,
)
from dmad.watch.event_media import CLIPS, LONGEST_RECORDING, THUMBNAILS, time_text
from dmad.watch.open_events import EVENT

logger = logging.getLogger(__name__)

MOST_EVENTS = 1000  # on the page
MOST_FILMS = 100  # unfinished films; the page is written again when they are complete
PAUSE = 1.0  # shortest time between two writings of the page, in seconds
VERB = "watch"
WORDS = {"reconstruction": "error", "deformation": "deformation"}


@dataclass(frozen=True)
class EventCard:
    """One event on the page."""

    id: str
    camera: str
    score: float
    threshold: float
    word: str  # "error" or "deformation": the larger part of the score
    time: str  # local date and time of the start, or the time in a recording
    length: str  # "3.2 s"; empty if it has not ended
    thumbnail: str  # relative address; empty if there is no such file
    film: str  # relative address; empty if there is no such file

    @property
    def ended(self) -> bool:
        """False if the event was in progress when the page was written."""
        return bool(self.length)

    @property
    def links(self) -> list[tuple[str, str]]:
        """Names and relative addresses of the film and the picture of the event."""
        files = [("film", self.film), ("picture", self.thumbnail)]
        return [(name, address) for name, address in files if address]


class EventPage:
    """A sink (receiver of messages) that keeps `index.html` of a folder up to date.

    The page shows the events of the earlier messages in `events.jsonl`, and those of new messages.
    A separate thread writes the page: at the start, when an event begins or ends, and when the film
    of an event is complete. If the page cannot be written, there is a warning and no error.

    Args:
        folder: The folder of `dmad watch`, with `events.jsonl` and the films.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.receiver = str(folder / INDEX)
        self._events: dict[str, dict[str, Any]] = {}  # last message by id, the oldest first
        self._count = 0  # of all events
        self._films: deque[Path] = deque(maxlen=MOST_FILMS)  # that are not on the page yet
        self._problem = ""  # the last warning
        for line in _lines(folder / "events.jsonl"):
            self._add(line)
        self._lock = threading.Lock()
        self._changed, self._closed = threading.Event(), threading.Event()
        self._changed.set()
        self._thread = threading.Thread(target=self._write_when_changed, daemon=True)
        self._thread.start()

    def send(self, message: str) -> None:
        """Take one message. The page is written later."""
        with self._lock:
            event = self._add(message)
            if event is None or event["state"] == "update":
                return
            if event.get("clip"):
                self._films.append(self.folder / CLIPS / f"{event['id']}.mp4")
        self._changed.set()

    def close(self) -> None:
        """Write the page for the last time."""
        self._closed.set()
        self._changed.set()
        self._thread.join()
        self._write()

    def _add(self, line: str) -> dict[str, Any] | None:
        """Add a message.

        Return the content of the message, or None if it is no complete message about an event.
        """
        if EVENT not in line:
            return None
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            event: dict[str, Any] = json.loads(line)
            card_of(event, self.folder)  # an incomplete message raises an error
            name = event["id"]
            if event["state"] == "new" or name not in self._events:
                self._count += self._events.pop(name, None) is None  # the event becomes the newest
            self._events[name] = event
            if len(self._events) > MOST_EVENTS:
                del self._events[next(iter(self._events))]
            return event
        return None

    def _write_when_changed(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(PAUSE if self._films else None)
            if self._changed.is_set() or self._has_new_film():
                self._changed.clear()
                self._write()
                self._closed.wait(PAUSE)

    def _has_new_film(self) -> bool:
        with self._lock:
            return any(film.exists() for film in self._films)

    def _write(self) -> None:
        with self._lock:
            events, count = list(reversed(self._events.values())), self._count
            for film in [film for film in self._films if film.exists()]:
                self._films.remove(film)
        html = page_of([card_of(event, self.folder) for event in events], count)
        try:
            replace_page(self.folder / INDEX, html, VERB, private=True)
        except (OSError, DmadError) as error:
            problem = one_line(error)
            if problem != self._problem:
                logger.warning(f"the page is not written: {problem}")
            self._problem = problem


def _lines(path: Path) -> Iterable[str]:
    """The lines of a file; none if it does not exist."""
    if not path.is_file():
        return
    with path.open(errors="surrogateescape") as file:
        yield from file


def card_of(event: dict[str, Any], folder: Path) -> EventCard:
    """Return what the page shows of an event.

    Args:
        event: The content of the last message about the event.
        folder: The folder of `dmad watch`.

    Raises:
        KeyError, TypeError, ValueError: The message is not complete.
    """
    name, start, end = str(event["id"]), float(event["start"]), event["end"]
    addresses = [
        link_to(subfolder, file) if (folder / subfolder / file).is_file() else ""
        for subfolder, file in ((THUMBNAILS, f"{name}.png"), (CLIPS, f"{name}.mp4"))
    ]
    return EventCard(
        id=name,
        camera=str(event["source"]),
        score=float(event["score"]),
        threshold=float(event["threshold"]),
        word=WORDS[event["term"]],
        time=player_time(start) if start < LONGEST_RECORDING else time_text(start),
        length="" if event["state"] != "end" else player_time(float(end) - start),
        thumbnail=addresses[0],
        film=addresses[1],
    )


def page_of(cards: Sequence[EventCard], count: int) -> str:
    """Return the page as HTML.

    Args:
        cards: The events, the newest first.
        count: Number of all events; `cards` may contain only the newest.
    """
    cameras = sorted({card.camera for card in cards})
    heading = "No event was found so far"
    if cards:
        heading = f"{counted(count, 'event')} of {counted(len(cameras), 'camera')}"
    content = {
        "heading": heading,
        "cards": cards,
        "cameras": cameras,
        "count": count,
        "has_films": any(card.film for card in cards),
        "written": datetime.now().isoformat(" ", "seconds"),
        "script": Markup(text_of("dmad.watch", "events.js")),
    }
    return page_text(template("dmad.watch", "events.html", PACKAGE), content, VERB)
