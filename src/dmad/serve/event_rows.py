"""Stores the events of the cameras, and the marks that a person gives them, in the database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from dmad.errors import require
from dmad.serve.store import Store
from dmad.watch.messages import EventMessage

Mark = Literal["", "seen", "real", "normal"]
MARKS = get_args(Mark)
PAGE = 30  # events on a page
MOST_ON_A_PAGE = 200


@dataclass(frozen=True)
class EventFilter:
    """Says which events are wanted.

    Args:
        camera: Name of the camera. Empty: all.
        day: Day in local time, such as 2026-11-29. Empty: all.
        mark: `seen`, `real` or `normal` for events with this mark, `unmarked` for events without a
            mark, or `open` for events that have not ended. Empty: all.
        before: Only events with a number below this one, for the next page. 0: all.
        limit: Largest number of events.
    """

    camera: str = ""
    day: str = ""
    mark: str = ""
    before: int = 0
    limit: int = PAGE

    def condition(self) -> tuple[str, list[Any]]:
        """Return an SQL condition with a `?` for each value, and the list of the values."""
        parts: list[str] = []
        values: list[Any] = []
        for column in ("camera", "day"):
            if value := getattr(self, column):
                parts.append(f"{column} = ?")
                values.append(value)
        if self.mark == "open":
            parts.append("state != 'end'")
        elif self.mark:
            parts.append("mark = ?")
            values.append("" if self.mark == "unmarked" else self.mark)
        if self.before:
            parts.append("number < ?")
            values.append(self.before)
        return " AND ".join(parts) or "1", values


@dataclass(frozen=True)
class EventFiles:
    """Names of the film and the thumbnail of an event."""

    number: int  # of the event
    film: str  # name of the file; empty if there is none
    thumbnail: str
    time: float  # when the event was stored, in seconds since 1970


class EventRows:
    """Reads events from the database, and writes them to it.

    At the start, events that a killed process could not end are stored as ended.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        with store.writing() as connection:
            connection.execute(
                "UPDATE events SET state = 'end', \"end\" = peak, film = '' WHERE state != 'end'"
            )

    def add(self, message: EventMessage, scores: Sequence[tuple[float, float]] = ()) -> int:
        """Store a message about an event, and return the number of the event.

        A message about a known event changes its row, so that no event is stored twice. A mark of a
        person stays.

        Args:
            message: The message.
            scores: Times and scores of the camera around the event.
        """
        now = time.time()
        entries = {
            "id": message.id,
            "camera": message.source,
            "state": message.state,
            "live": int(message.live),
            "raised": now,
            "day": day_of(now),
            "start": message.start,
            "peak": message.peak,
            "end": message.end,
            "score": message.score,
            "threshold": message.threshold,
            "term": message.term,
            "box": json.dumps([round(share, 4) for share in message.box]),
            "film": message.clip,
            "thumbnail": message.thumbnail,
            "scores": json.dumps([[round(at, 2), round(score, 3)] for at, score in scores]),
        }
        columns = ", ".join(f'"{name}"' for name in entries)
        changes = ", ".join(
            f'"{name}" = excluded."{name}"'
            for name in entries
            if name not in ("id", "raised", "day")
        )
        query = (
            f"INSERT INTO events ({columns}) VALUES ({', '.join('?' * len(entries))}) "
            f"ON CONFLICT (id) DO UPDATE SET {changes} RETURNING number"
        )
        with self.store.writing() as connection:
            (number,) = connection.execute(query, list(entries.values())).fetchone()
        return int(number)

    def get(self, number: int) -> dict[str, Any] | None:
        """Return an event; None if there is none with this number."""
        rows = self.store.read("SELECT * FROM events WHERE number = ?", [number])
        return event_of(rows[0]) if rows else None

    def find(self, wanted: EventFilter) -> list[dict[str, Any]]:
        """Return the wanted events, the newest first, but at most `MOST_ON_A_PAGE`."""
        condition, values = wanted.condition()
        limit = max(1, min(wanted.limit, MOST_ON_A_PAGE))
        query = f"SELECT * FROM events WHERE {condition} ORDER BY number DESC LIMIT {limit}"
        return [event_of(row) for row in self.store.read(query, values)]

    def count(self, wanted: EventFilter) -> int:
        """Return the number of the wanted events."""
        condition, values = wanted.condition()
        (row,) = self.store.read(f"SELECT count(*) AS n FROM events WHERE {condition}", values)
        return int(row["n"])

    def neighbours(self, number: int) -> tuple[int | None, int | None]:
        """Return the numbers of the next newer and the next older event. None: there is none."""
        (row,) = self.store.read(
            "SELECT (SELECT min(number) FROM events WHERE number > ?) AS newer, "
            "(SELECT max(number) FROM events WHERE number < ?) AS older",
            [number, number],
        )
        return row["newer"], row["older"]

    def mark(
        self, number: int, mark: str, old: float | None = None, new: float | None = None
    ) -> dict[str, Any]:
        """Mark an event, and return it.

        Args:
            number: The event.
            mark: The mark; empty removes it.
            old: The threshold before the mark, if the mark has changed it.
            new: The threshold after the mark.

        Raises:
            DmadError: The mark is unknown, or there is no such event.
        """
        require(mark in MARKS, f"mark is {mark[:40]!r}; give seen, real, normal, or an empty text")
        with self.store.writing() as connection:
            changed = connection.execute(
                "UPDATE events SET mark = ? WHERE number = ? RETURNING *", [mark, number]
            ).fetchone()
            require(changed is not None, f"there is no event {number}")
            connection.execute(
                "INSERT INTO marks (event, mark, time, old, new) VALUES (?, ?, ?, ?, ?)",
                [number, mark, time.time(), old, new],
            )
        return event_of(changed)

    def silent(self, camera: str, old: float, new: float) -> list[dict[str, Any]]:
        """Return the past events of a camera that a higher threshold would have silenced.

        Args:
            camera: Name of the camera.
            old: The old threshold. Events with lower scores are left out.
            new: The new threshold. Events with this score or a higher one are left out.

        Returns:
            At most 200 events, the newest first.
        """
        rows = self.store.read(
            "SELECT * FROM events WHERE camera = ? AND score >= ? AND score < ? "
            "ORDER BY number DESC LIMIT 200",
            [camera, old, new],
        )
        return [event_of(row) for row in rows]

    def today(self) -> dict[str, int]:
        """Return the number of events of today for each camera."""
        rows = self.store.read(
            "SELECT camera, count(*) AS n FROM events WHERE day = ? GROUP BY camera",
            [day_of(time.time())],
        )
        return {row["camera"]: row["n"] for row in rows}

    def days(self, most: int = 60) -> list[str]:
        """Return the last days that have events, the newest first."""
        query = f"SELECT DISTINCT day FROM events ORDER BY day DESC LIMIT {most}"
        return [row["day"] for row in self.store.read(query)]

    def cameras(self) -> list[str]:
        """Return the names of all cameras that have events."""
        return [r["camera"] for r in self.store.read("SELECT DISTINCT camera FROM events")]

    def weeks(self) -> list[dict[str, Any]]:
        """Return the numbers of events and of marks for each week and camera, newest week first.

        In each entry, `monday` is the first day of the week. `days` is the number of days of the
        week up to today, without the days before the first event of the camera.
        """
        query = (
            "WITH dated AS (SELECT camera, mark, date(day, 'weekday 0', '-6 days') AS monday, "
            "min(day) OVER (PARTITION BY camera) AS first FROM events) "
            "SELECT monday, camera, count(*) AS events, max(1, 1 + julianday("
            "min(date(monday, '+6 days'), ?)) - julianday(max(first, monday))) AS days, "
            "sum(mark = 'real') AS real, sum(mark = 'normal') AS normal "
            "FROM dated GROUP BY monday, camera ORDER BY monday DESC, camera LIMIT 200"
        )
        return [dict(row) for row in self.store.read(query, [day_of(time.time())])]

    def forget_missing_films(self, folder: Path) -> None:
        """Remove the names of missing films from the events in the database.

        A film is missing, for example, if the process was killed before the film was complete.

        Args:
            folder: The folder of the films.
        """
        there = {path.name for path in folder.glob("*")}
        rows = self.store.read("SELECT number, film FROM events WHERE film != ''")
        with self.store.writing() as connection:
            connection.executemany(
                "UPDATE events SET film = '' WHERE number = ?",
                [(row["number"],) for row in rows if row["film"] not in there],
            )

    def files(self) -> list[EventFiles]:
        """Return the files of all events that have files, the oldest first."""
        query = "SELECT number, film, thumbnail, raised FROM events "
        rows = self.store.read(query + "WHERE film != '' OR thumbnail != '' ORDER BY number")
        return [EventFiles(*row) for row in rows]

    def forget_files(self, numbers: Iterable[int]) -> None:
        """Remove the names of films and pictures from events whose files were deleted."""
        with self.store.writing() as connection:
            connection.executemany(
                "UPDATE events SET film = '', thumbnail = '' WHERE number = ?",
                [(number,) for number in numbers],
            )


def event_of(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row of the database as a dictionary, with its box and scores as lists."""
    entries = dict(row)
    return entries | {"box": json.loads(row["box"]), "scores": json.loads(row["scores"])}


def day_of(seconds: float) -> str:
    """Return the local day of a time in seconds since 1970, such as 2026-11-29."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")
