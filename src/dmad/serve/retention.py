"""Deletes films and pictures after some days, or if they need too much space. Events stay."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dmad.errors import one_line
from dmad.serve.event_rows import EventRows
from dmad.serve.part_rows import PARTS, PartRows
from dmad.watch.event_media import CLIPS, THUMBNAILS

logger = logging.getLogger(__name__)

PERIOD = 300.0  # seconds between two clean-ups
DAY = 86400.0  # seconds
GIGABYTE = 1e9  # bytes


@dataclass(frozen=True)
class Limits:
    """For how many days films and pictures are kept, and up to how many gigabytes. 0: no limit."""

    days: float
    gigabytes: float


@dataclass(frozen=True)
class Kept:
    """The files of one event or part."""

    number: int
    paths: tuple[Path, ...]
    time: float  # seconds since 1970
    size: int  # bytes


@dataclass(frozen=True)
class Usage:
    """The space that films and pictures need."""

    bytes: int
    per_day: float  # bytes written per day, on average over at most seven days
    free: int  # bytes on the disk

    def full_in(self, gigabytes: float) -> float | None:
        """Return the number of days until the limit is reached or the disk is full.

        Args:
            gigabytes: The limit for films and pictures, in gigabytes. 0: no limit.

        Returns:
            An estimate from the last seven days. None if nothing was written in these days.
        """
        if self.per_day <= 0:
            return None
        room = self.free if not gigabytes else min(self.free, gigabytes * GIGABYTE - self.bytes)
        return max(0.0, room / self.per_day)


class Retention:
    """Deletes old films and pictures every `PERIOD` seconds, in a thread.

    Args:
        folder: The folder of the console.
        events: The events, with films and thumbnails.
        parts: The inspected parts, with pictures.
        limits: How many days and how many gigabytes are kept.
    """

    def __init__(self, folder: Path, events: EventRows, parts: PartRows, limits: Limits) -> None:
        self.folder, self.events, self.parts, self.limits = folder, events, parts, limits
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def usage(self) -> Usage:
        """Return the space that films and pictures need."""
        kept = [*self._of_events(), *self._of_parts()]
        total = sum(one.size for one in kept)
        now = time.time()
        oldest = min((one.time for one in kept), default=now)
        days = max((now - oldest) / DAY, 1 / 24)
        recent = [one for one in kept if now - one.time < 7 * DAY]
        per_day = sum(one.size for one in recent) / min(days, 7.0)
        return Usage(total, per_day, shutil.disk_usage(self.folder).free)

    def clean_up(self) -> int:
        """Delete the oldest films and pictures, until none is too old and the size limit is kept.

        Returns:
            How many events and parts have lost their files.
        """
        groups: list[tuple[list[Kept], Callable[[Iterable[int]], None]]] = [
            (self._of_events(), self.events.forget_files),
            (self._of_parts(), self.parts.forget_files),
        ]
        every = sorted(
            ((one, forget) for kept, forget in groups for one in kept),
            key=lambda pair: pair[0].time,
        )
        total = sum(one.size for one, _ in every)
        oldest = time.time() - self.limits.days * DAY if self.limits.days else 0.0
        most = self.limits.gigabytes * GIGABYTE if self.limits.gigabytes else float("inf")
        deleted = 0
        for one, forget in every:
            if one.time >= oldest and total <= most:
                break
            for path in one.paths:
                with suppress(FileNotFoundError):
                    path.unlink()
            forget([one.number])
            total -= one.size
            deleted += 1
        if deleted:
            logger.info(f"films and pictures of {deleted} events and parts were deleted")
        return deleted

    def _of_events(self) -> list[Kept]:
        films, thumbnails = self.folder / CLIPS, self.folder / THUMBNAILS
        return [
            _kept(one.number, [(films, one.film), (thumbnails, one.thumbnail)], one.time)
            for one in self.events.files()
        ]

    def _of_parts(self) -> list[Kept]:
        folder = self.folder / PARTS
        return [
            _kept(one.number, [(folder, one.picture), (folder, one.heat)], one.time)
            for one in self.parts.files()
        ]

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD):
            try:
                self.clean_up()
            except Exception as error:  # such as a folder without permission
                logger.warning(f"old films could not be deleted: {one_line(error)}")


def _kept(number: int, files: Iterable[tuple[Path, str]], at: float) -> Kept:
    paths = tuple(folder / name for folder, name in files if name)
    size = 0
    for path in paths:
        with suppress(OSError):
            size += path.stat().st_size
    return Kept(number, paths, at, size)
