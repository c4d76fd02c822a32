"""The plan of a scan: which sources there are, which are finished, and which tasks are left.

The plan is a temporary SQLite file, so that an archive of any size needs little memory. It is made
again at each start, from the archive and from the parts (the result files of finished tasks).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from dmad.errors import DmadError
from dmad.scan.archive import IMAGE, ArchiveSource, kind_of
from dmad.scan.film import Stretch
from dmad.scan.parts import PartInfo, SourceOutcome, part_path, read_info

logger = logging.getLogger(__name__)

IMAGES_AT_ONCE = 64  # images of a task

TABLES = """
create table source (
  number integer primary key, path blob unique, size integer, stamp text, view text, reason text);
create table outcome (
  path blob, size integer, stamp text, reason text, notes text, rows integer, fps real,
  recorded text, clock text, part text, stretches integer, primary key (path, size, stamp));
create table stretch (
  path blob, size integer, stamp text, number integer, part text, reason text, notes text,
  primary key (path, size, stamp, number));
create table event (
  number integer primary key, path blob, view text, start real, end real, peak real, score real,
  threshold real, why text, recorded text);
create index event_score on event (score desc, number);
create index outcome_part on outcome (part);
"""

KNOWN = "outcome.path = source.path and outcome.size = source.size and outcome.stamp = source.stamp"


@dataclass(frozen=True)
class Task:
    """What a worker judges at once: a film, a stretch, a folder of frames, or some images.

    A stretch is a part of a long film or folder of frames.
    """

    name: str  # name of its part, the file with its result
    view: str
    sources: tuple[ArchiveSource, ...]
    stretch: Stretch | None = None

    @classmethod
    def of(cls, sources: Sequence[ArchiveSource], stretch: Stretch | None = None) -> Task:
        """Return the task that judges sources of one view, or a stretch of a single source.

        The name of the task depends only on what is judged, so that a resumed scan finds the result
        of the task.
        """
        identities = [(source.path, source.size, source.stamp) for source in sources]
        text = repr((sources[0].view, identities, stretch))
        digest = sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]
        return cls(digest, sources[0].view, tuple(sources), stretch)

    @property
    def title(self) -> str:
        """What is judged, for messages."""
        more = len(self.sources) - 1
        return self.sources[0].path + (f" and {more} more" if more else "")

    @property
    def share(self) -> float:
        """Number of sources of the task. For a stretch (part of a film): its share of the film."""
        return len(self.sources) / (self.stretch.count if self.stretch else 1)

    @property
    def kind(self) -> str:
        """The kind of the sources, as `kind_of` returns it."""
        return kind_of(self.sources[0].path)

    @property
    def size(self) -> float:
        """Number of images, or bytes of a film or folder. For a stretch: its share of the bytes."""
        if self.kind == IMAGE:
            return len(self.sources)
        return self.share * self.sources[0].size


@dataclass(frozen=True)
class Unfinished:
    """How much is left to judge."""

    sources: int  # sources that are not finished, with the films of `started`
    done: float  # sum of the finished shares of the films of `started`, each between 0 and 1
    started: int  # films that were cut, and of which some stretches are not judged yet
    sizes: dict[str, float]  # how much of each kind is not judged yet, in the unit of `Task.size`


@dataclass(frozen=True)
class FinishedFilm:
    """A film or a folder of frames that is finished, with the files of its results in order."""

    source: ArchiveSource
    outcome: SourceOutcome
    parts: tuple[str, ...]  # names of the parts


@dataclass(frozen=True)
class ViewNumbers:
    """Numbers of the judged sources, frames and events of a view."""

    name: str
    sources: int
    rows: int  # frames or images
    events: int
    left_out: int


class StoredEvent(NamedTuple):
    """An event in the plan.

    Times are seconds since the start of a film. For an image, each time is its page in the file.
    """

    number: int
    path: str
    view: str
    start: float
    end: float
    peak: float
    score: float
    threshold: float | None
    why: str  # the larger part of the score: error or deformation; empty if unknown
    recorded: str  # local date and time of the start; empty if unknown


class Plan:
    """The plan of a scan. Call `close` at the end: it removes the file.

    Args:
        file: The temporary file.
        parts: Folder of the parts (the result files of finished tasks).
        images_at_once: Largest number of images of a task.
    """

    def __init__(self, file: Path, parts: Path, images_at_once: int = IMAGES_AT_ONCE) -> None:
        self.file, self.parts, self.images_at_once = file, parts, images_at_once
        self.database = sqlite3.connect(file, isolation_level=None)
        self.database.create_function("kind", 1, lambda path: kind_of(os.fsdecode(path)))
        self.database.executescript("pragma journal_mode=off; pragma synchronous=off;" + TABLES)

    def close(self) -> None:
        """Close the database and remove its file."""
        self.database.close()
        self.file.unlink(missing_ok=True)

    def add_sources(self, sources: Iterable[ArchiveSource]) -> None:
        """Add the sources of an archive. A path that occurs again is ignored."""
        rows = (
            (os.fsencode(one.path), one.size, one.stamp, one.view, one.reason) for one in sources
        )
        self._insert("source (path, size, stamp, view, reason)", "?, ?, ?, ?, ?", rows)

    def add_finished(self) -> None:
        """Add the results of all finished tasks. A damaged file is removed."""
        for path in sorted(self.parts.glob("*.parquet")):
            try:
                self.add_result(path.stem, read_info(path))
            except DmadError as error:
                logger.warning(f"{error}; its sources are judged again")
                path.unlink()

    def add_result(self, part: str, info: PartInfo) -> None:
        """Add the result of a task.

        Args:
            part: Name of the file with the result.
            info: The metadata of this file.
        """
        if info.stretch is not None:
            (one,) = info.sources
            key = (os.fsencode(one.path), one.size, one.stamp)
            row = (*key, info.stretch, part, one.reason, "\n".join(one.notes))
            self._insert("stretch", "?, ?, ?, ?, ?, ?, ?", [row])
            return
        self._insert(
            "outcome",
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
            [
                (
                    *(os.fsencode(one.path), one.size, one.stamp, one.reason),
                    *("\n".join(one.notes), one.rows, one.fps, one.recorded, one.clock),
                    *(part, len(info.stretches)),
                )
                for one in info.sources
            ],
        )

    def join_stretches(self) -> None:
        """Leave out each film if one of its stretches (parts) was left out.

        Copy the notes of stretches, such as about damaged frames, to their films.
        Call this function when all tasks are done.
        """
        same = "path = outcome.path and size = outcome.size and stamp = outcome.stamp"
        parts = f"from (select distinct {{}} as text from stretch where {same} and {{}} != '')"
        for name in ("reason", "notes"):
            joined = f"select group_concat(text, char(10)) {parts.format(name, name)}"
            self.database.execute(
                f"update outcome set {name} = coalesce(({joined}), '') where stretches > 0"
            )

    def leave_out(self, source: ArchiveSource, reason: str) -> None:
        """Leave a source out of this scan. The next scan tries it again."""
        self.database.execute(
            "update source set reason = ? where path = ?", (reason, os.fsencode(source.path))
        )

    def tasks(self, judges: str) -> Iterator[Task]:
        """Yield the unfinished tasks, except for stretches. A film that will be cut is one task.

        Images are first divided into groups. Then finished images are left out of the groups. So a
        resumed scan has the same groups.
        """
        if judges == "frames":
            yield from (Task.of([source]) for source in self._unfinished())
            return
        for group in self._groups():
            left = [source for source, is_finished in group if not is_finished]
            if left:
                yield Task.of(left)

    def stretch_tasks(self) -> Iterator[Task]:
        """Yield a task for each unfinished stretch (part) of the films that were cut."""
        for film in self._cut_films():
            for task in self._stretches_of(*film):
                if not part_path(self.parts, task.name).exists():
                    yield task

    def unfinished(self) -> Unfinished:
        """Return how much is left to judge."""
        rows = self._query(
            "select kind(source.path) as kind, count(*), total(source.size) from source "
            f"left join outcome on {KNOWN} where source.reason = '' and outcome.path is null "
            "group by kind"
        )
        sources, sizes = 0, defaultdict[str, float](float)
        for kind, count, size in rows:
            sources += count
            sizes[kind] = count if kind == IMAGE else size
        left = defaultdict[str, float](float)  # the unfinished share of each film that was cut
        for task in self.stretch_tasks():
            left[task.sources[0].path] += task.share
            sizes[task.kind] += task.size
        started = len(left)
        return Unfinished(sources + started, started - sum(left.values()), started, dict(sizes))

    def finished_films(self) -> Iterator[FinishedFilm]:
        """Yield the judged films and folders of frames, in the order of the archive."""
        rows = self._query(
            "select source.path, source.size, source.stamp, source.view, outcome.fps, "
            "outcome.recorded, outcome.clock, outcome.part, outcome.stretches, outcome.notes "
            f"from source join outcome on {KNOWN} "
            "where source.reason = '' and outcome.reason = '' order by source.number"
        )
        for path, size, stamp, view, fps, recorded, clock, part, stretches, notes in rows:
            source = ArchiveSource(os.fsdecode(path), size, stamp, view)
            outcome = SourceOutcome(
                path=source.path,
                size=size,
                stamp=stamp,
                notes=tuple(notes.splitlines()),
                fps=fps,
                recorded=recorded,
                clock=clock,
            )
            parts = [part]
            if stretches:
                found = self._query(
                    "select part from stretch where path = ? and size = ? and stamp = ? "
                    "order by number",
                    (path, size, stamp),
                )
                parts = [name for (name,) in found]
                if len(parts) < stretches:  # a stretch is left out of this scan
                    continue
            yield FinishedFilm(source, outcome, tuple(parts))

    def image_parts(self) -> Iterator[tuple[str, str]]:
        """Yield name and view of each result file that contains judged images.

        The files are in the order of the archive.
        """
        yield from self._query(
            f"select outcome.part, source.view from source join outcome on {KNOWN} "
            "where source.reason = '' and outcome.reason = '' "
            "group by outcome.part, source.view order by min(source.number)"
        )

    def sources_of_part(self, part: str, view: str) -> set[str]:
        """Return the paths of the judged images in a result file.

        Images that have changed since the file was written are left out.
        """
        rows = self._query(
            f"select source.path from source join outcome on {KNOWN} where outcome.part = ? and "
            "source.view = ? and source.reason = '' and outcome.reason = ''",
            (part, view),
        )
        return {os.fsdecode(path) for (path,) in rows}

    def add_events(self, path: str, view: str, events: Iterable[tuple[Any, str]]) -> None:
        """Add the events of a source, each with local date and time of its start."""
        rows = ((os.fsencode(path), view, *event, recorded) for event, recorded in events)
        columns = "path, view, start, end, peak, score, threshold, why, recorded"
        self._insert(f"event ({columns})", "?, ?, ?, ?, ?, ?, ?, ?, ?", rows)

    def events_in_batches(
        self, size: int, most: int = -1, strongest_first: bool = False
    ) -> Iterator[list[StoredEvent]]:
        """Yield the events in batches.

        Args:
            size: Events of a batch.
            most: Largest number of events. -1: all events.
            strongest_first: True: the strongest events first. False: the order of the archive.
        """
        order = "score desc, number" if strongest_first else "number"
        cursor = self.database.cursor().execute(
            f"select {', '.join(StoredEvent._fields)} from event order by {order} limit ?", (most,)
        )
        while rows := cursor.fetchmany(size):
            yield [StoredEvent(number, os.fsdecode(path), *rest) for number, path, *rest in rows]

    def source(self, path: str) -> ArchiveSource:
        """Return a source by its path."""
        size, stamp, view = self._one(
            "select size, stamp, view from source where path = ?", (os.fsencode(path),)
        )
        return ArchiveSource(path, size, stamp, view)

    def count(self) -> tuple[int, int]:
        """Return the number of judged sources, and the number of all other sources."""
        every, judged = self._one(
            f"select count(*), total(source.reason = '' and outcome.reason = '') from source "
            f"left join outcome on {KNOWN}"
        )
        return int(judged), int(every - judged)

    def count_events(self) -> int:
        """Return the number of events. Without a threshold, each film or image counts once."""
        return int(self._one("select count(*) from event")[0])

    def has_threshold(self) -> bool:
        """True if the scan used a threshold: an event has a threshold, or there are no events.

        Without a threshold, the plan holds the highest scores in place of events.
        """
        without, every = self._one("select total(threshold is null), count(*) from event")
        return not every or without < every

    def numbers_of_views(self) -> list[ViewNumbers]:
        """Return the numbers of each view, sorted by name."""
        rows = self._query(
            "select source.view, total(source.reason = '' and outcome.reason = ''), "
            "total(case when source.reason = '' and outcome.reason = '' then outcome.rows end), "
            "count(*) "
            f"from source left join outcome on {KNOWN} group by source.view order by source.view"
        )
        events = dict(self._query("select view, count(*) from event group by view"))
        return [
            ViewNumbers(view, int(judged), int(rows), events.get(view, 0), int(every - judged))
            for view, judged, rows, every in rows
        ]

    def count_views_with_events(self) -> int:
        """Return the number of views with events whose date and time are known."""
        return int(self._one("select count(distinct view) from event where recorded != ''")[0])

    def events_by_hour(self, most: int) -> list[tuple[str, str, int]]:
        """Return view, hour of the day and number of events, for the views with the most events."""
        rows = self._query(
            "select view, substr(recorded, 12, 2) as hour, count(*) from event "
            "where recorded != '' and view in (select view from event where recorded != '' "
            "group by view order by count(*) desc limit ?) group by view, hour",
            (most,),
        )
        return [(view, hour, count) for view, hour, count in rows]

    def events_by_day(self) -> list[tuple[str, int]]:
        """Return each day with events, and the number of its events."""
        rows = self._query(
            "select substr(recorded, 1, 10) as day, count(*) from event where recorded != '' "
            "group by day order by day"
        )
        return [(day, count) for day, count in rows]

    def recorded_days(self) -> list[str]:
        """Return the days on which a judged recording began."""
        rows = self._query(
            f"select distinct substr(outcome.recorded, 1, 10) from source join outcome on {KNOWN} "
            "where outcome.recorded != '' and source.reason = '' and outcome.reason = ''"
        )
        return [day for (day,) in rows]

    def clocks(self) -> list[tuple[str, int]]:
        """Return each origin of dates and times, and the number of judged sources with this origin.

        The origins are those that `recorded_at` returns, such as "name".
        """
        rows = self._query(
            f"select outcome.clock, count(*) from source join outcome on {KNOWN} "
            "where outcome.clock != '' and source.reason = '' and outcome.reason = '' "
            "group by outcome.clock order by count(*) desc"
        )
        return [(clock, count) for clock, count in rows]

    def left_out(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each source that is left out, and the reason."""
        rows = self._query(
            "select source.path, coalesce(nullif(source.reason, ''), outcome.reason, "
            f"'it was not judged yet') from source left join outcome on {KNOWN} "
            "where source.reason != '' or outcome.reason is null or outcome.reason != '' "
            "order by source.number"
        )
        yield from ((os.fsdecode(path), reason) for path, reason in rows)

    def notes(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the notes of each judged source that has notes.

        A note says, for example, that frames are damaged.
        """
        rows = self._query(
            f"select source.path, outcome.notes from source join outcome on {KNOWN} "
            "where outcome.notes != '' and outcome.reason = '' order by source.number"
        )
        yield from ((os.fsdecode(path), notes) for path, notes in rows)

    def _groups(self) -> Iterator[list[tuple[ArchiveSource, bool]]]:
        """Yield groups of images of one view. For each image, True says that it is finished."""
        group: list[tuple[ArchiveSource, bool]] = []
        rows = self._query(
            "select source.path, source.size, source.stamp, source.view, outcome.path is not null "
            f"from source left join outcome on {KNOWN} where source.reason = '' "
            "order by source.number"
        )
        for path, size, stamp, view, is_finished in rows:
            if group and (len(group) == self.images_at_once or group[0][0].view != view):
                yield group
                group = []
            group.append((ArchiveSource(os.fsdecode(path), size, stamp, view), bool(is_finished)))
        if group:
            yield group

    def _unfinished(self) -> Iterator[ArchiveSource]:
        rows = self._query(
            "select source.path, source.size, source.stamp, source.view from source "
            f"left join outcome on {KNOWN} where source.reason = '' and outcome.path is null "
            "order by source.number"
        )
        yield from (
            ArchiveSource(os.fsdecode(path), size, stamp, view) for path, size, stamp, view in rows
        )

    def _cut_films(self) -> Iterator[tuple[ArchiveSource, str]]:
        rows = self._query(
            "select source.path, source.size, source.stamp, source.view, outcome.part "
            f"from source join outcome on {KNOWN} where outcome.stretches > 0 and "
            "source.reason = '' and outcome.reason = '' order by source.number"
        )
        for path, size, stamp, view, part in rows:
            yield ArchiveSource(os.fsdecode(path), size, stamp, view), part

    def _stretches_of(self, film: ArchiveSource, part: str) -> Iterator[Task]:
        info = read_info(part_path(self.parts, part))
        yield from (Task.of([film], stretch) for stretch in info.stretches)

    def _query(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        yield from self.database.cursor().execute(query, values)

    def _one(self, query: str, values: Sequence[object] = ()) -> tuple[Any, ...]:
        return next(iter(self._query(query, values)))

    def _insert(self, into: str, marks: str, rows: Iterable[Sequence[object]]) -> None:
        self.database.execute("begin")
        self.database.executemany(f"insert or ignore into {into} values ({marks})", rows)
        self.database.execute("commit")
