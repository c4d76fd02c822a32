"""Stores the inspected parts in the database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dmad.serve.event_rows import day_of
from dmad.serve.store import Store

PARTS = "parts"  # folder of the pictures
MOST_ON_A_PAGE = 1000


@dataclass(frozen=True)
class NewPart:
    """The result of one inspected part, which is not stored yet."""

    name: str
    model: str
    score: float
    threshold: float | None
    verdict: str
    raw: float
    reconstruction: float
    deformation: float
    box: tuple[float, float, float, float]
    picture: str = ""  # file in the folder of pictures
    heat: str = ""


@dataclass(frozen=True)
class PartFiles:
    """Names of the picture files of a part."""

    number: int  # of the part
    picture: str  # name of the file; empty if there is none
    heat: str
    time: float  # seconds since 1970


class PartRows:
    """Reads inspected parts from the database, and writes them to it.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, part: NewPart) -> int:
        """Store the result of a part, and return its number."""
        now = time.time()
        entries = asdict(part) | {"box": json.dumps(part.box), "time": now, "day": day_of(now)}
        columns = ", ".join(entries)
        query = f"INSERT INTO parts ({columns}) VALUES ({', '.join('?' * len(entries))})"
        with self.store.writing() as connection:
            number = connection.execute(query, list(entries.values())).lastrowid
        assert number is not None
        return number

    def get(self, number: int) -> dict[str, Any] | None:
        """Return a part; None if there is none with this number."""
        rows = self.store.read("SELECT * FROM parts WHERE number = ?", [number])
        return part_of(rows[0]) if rows else None

    def find(self, model: str, day: str, limit: int = 200, before: int = 0) -> list[dict[str, Any]]:
        """Return the parts of a day, the newest first.

        Args:
            model: Name of the model.
            day: The day, such as 2026-11-29.
            limit: Largest number of parts.
            before: Only parts with a number below this one, for the next page. 0: all.
        """
        limit = max(1, min(limit, MOST_ON_A_PAGE))
        rows = self.store.read(
            "SELECT * FROM parts WHERE model = ? AND day = ? AND (? = 0 OR number < ?) "
            f"ORDER BY number DESC LIMIT {limit}",
            [model, day, before, before],
        )
        return [part_of(row) for row in rows]

    def each(self, model: str, day: str) -> Iterator[dict[str, Any]]:
        """Yield all parts of a day, the newest first."""
        before = 0
        while rows := self.find(model, day, MOST_ON_A_PAGE, before):
            yield from rows
            before = rows[-1]["number"]

    def scores(self, model: str, day: str) -> np.ndarray:
        """Return the scores of all parts of a day, (N,), in the order of inspection."""
        rows = self.store.read(
            "SELECT score FROM parts WHERE model = ? AND day = ? ORDER BY number", [model, day]
        )
        return np.array([row["score"] for row in rows], float)

    def files(self) -> list[PartFiles]:
        """Return the files of all parts that have files, the oldest first."""
        rows = self.store.read(
            "SELECT number, picture, heat, time FROM parts WHERE picture != '' OR heat != '' "
            "ORDER BY number"
        )
        return [PartFiles(*row) for row in rows]

    def forget_files(self, numbers: Iterable[int]) -> None:
        """Remove the names of pictures from parts whose pictures were deleted."""
        with self.store.writing() as connection:
            connection.executemany(
                "UPDATE parts SET picture = '', heat = '' WHERE number = ?",
                [(number,) for number in numbers],
            )


def part_of(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row of the database as a dictionary, with its box as a list."""
    return dict(row) | {"box": json.loads(row["box"])}
