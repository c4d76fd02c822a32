"""Joins the results of all tasks, and writes the data set of scores and the table of events.

Everything is read and written in batches of rows, so that memory does not grow with the archive.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from math import isnan
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dmad.calibration.alarms import Event, EventFinder
from dmad.calibration.calibration import Calibration
from dmad.files import unfinished_folder, unfinished_path
from dmad.scan.addresses import printable_path
from dmad.scan.parts import COMPRESSION, ROWS, batches_of, part_path, read_info
from dmad.scan.plan import FinishedFilm, Plan
from dmad.scan.views import Views

SCORES, EVENTS = "scores", "events.parquet"
LONGEST_NAME = 60  # characters of a file name in the data set

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("frame", pa.int32()),  # of an image, the page of its file
        ("time", pa.float64()),  # seconds since the start of a film; null for an image
        ("raw", pa.float64()),
        ("reconstruction", pa.float64()),
        ("deformation", pa.float64()),
        ("score", pa.float64()),  # calibrated; raw without a threshold; null: no score
        ("verdict", pa.string()),  # good or anomalous; null without a score or a threshold
    ]
)
EVENT_SCHEMA = pa.schema(
    [
        ("event", pa.int64()),
        ("path", pa.string()),
        ("view", pa.string()),
        ("start", pa.float64()),  # seconds since the start of a film; of an image, the page
        ("end", pa.float64()),
        ("peak", pa.float64()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("why", pa.string()),  # the larger part of the score: error or deformation
        ("recorded", pa.string()),  # local date and time of the start; empty if unknown
    ]
)
TERMS = ("raw", "reconstruction", "deformation", "score")


class FoundEvent(NamedTuple):
    """An event, or the frame with the highest score if there is no threshold.

    Times are seconds since the start of a film. For an image, each time is its page in the file.
    """

    start: float
    end: float
    peak: float
    score: float
    threshold: float  # NaN without a threshold
    why: str = ""


@dataclass
class Totals:
    """Numbers of the judged sources, frames and events."""

    films: int = 0  # with folders of frames
    images: int = 0  # files
    frames: int = 0  # of films, or pages of image files
    events: int = 0
    seconds: float = 0.0  # length of all films


@dataclass(frozen=True)
class Merge:
    """Writes the results of a scan.

    Args:
        plan: The plan, with all finished tasks. The events are added to the plan.
        views: The views of the archive.
        out: The folder of the scan.
    """

    plan: Plan
    views: Views
    out: Path

    def run(self, judges: str) -> Totals:
        """Write the data set of scores and the table of events. Return the totals.

        Args:
            judges: What the model judges: "frames" or "images".
        """
        totals = Totals()
        with unfinished_folder(self.out) as folder:
            scores = folder / SCORES
            scores.mkdir()
            if judges == "frames":
                for film in self.plan.finished_films():
                    self._film(film, scores, totals)
            else:
                for part, view in self.plan.image_parts():
                    self._images(part, view, scores, totals)
            final = self.out / SCORES
            shutil.rmtree(final, ignore_errors=True)
            scores.rename(final)
        self._write_events()
        return totals

    def _film(self, film: FinishedFilm, scores: Path, totals: Totals) -> None:
        calibration = self.views.of(film.source.view).calibration
        events: list[FoundEvent] = []
        finder = FilmEvents(calibration, film.outcome.fps)
        for row in self._rows(film):
            events += finder.add(row)
        events += finder.end()
        totals.films += 1
        totals.frames += finder.frames
        totals.seconds += finder.seconds
        totals.events += len(events) if calibration else 0
        if calibration is None and finder.highest is not None:
            events = [finder.highest]
        self._add_events(film.source.path, film.source.view, film.outcome.recorded, events)
        path = scores_file(scores, film.source.view, film.source.path)
        spans = finder.spans if calibration else None
        _write_scores(path, film.source.path, self._rows(film), spans)

    def _rows(self, film: FinishedFilm) -> Iterator[Row]:
        """Yield a row for each frame of a film, from the result files of its tasks.

        Frames and seconds count from the start of the film.
        """
        first = None
        number = 0
        for name in film.parts:
            for batch in batches_of(part_path(self.plan.parts, name)):
                columns = [batch.column(key).to_pylist() for key in ("time", "gap", *TERMS)]
                for time, gap, *terms in zip(*columns, strict=True):
                    first = time if first is None else first
                    yield Row(number, time - first, gap and number > 0, *terms)
                    number += 1

    def _images(self, part: str, view: str, scores: Path, totals: Totals) -> None:
        calibration = self.views.of(view).calibration
        threshold = calibration.threshold if calibration else None
        path = part_path(self.plan.parts, part)
        outcomes = read_info(path).sources
        valid = self.plan.sources_of_part(part, view)
        totals.images += len(valid)
        keep = pa.array([index for index, one in enumerate(outcomes) if one.path in valid])
        names = pa.array([printable_path(one.path) for one in outcomes])
        found: dict[int, list[FoundEvent]] = {}
        with _ScoreFile(scores_file(scores, view, part)) as file:
            for batch in batches_of(path):
                rows = batch.filter(pc.is_in(batch.column("source"), keep))
                sources, values = rows.column("source"), rows.column("score")
                totals.frames += len(rows)
                verdicts = None
                if threshold is not None:
                    above = pc.greater_equal(values, threshold)
                    verdicts = pc.if_else(above, "anomalous", "good")
                    for row in rows.filter(above).to_pylist():
                        event = _event_of_image(row, calibration)
                        found.setdefault(row["source"], []).append(event)
                        totals.events += 1
                else:
                    for row in rows.to_pylist():
                        event = _event_of_image(row, None)
                        found.setdefault(row["source"], []).append(event)
                file.write(
                    names.take(sources),
                    rows.column("frame"),
                    pa.nulls(len(rows), pa.float64()),
                    [rows.column(name) for name in TERMS],
                    verdicts if verdicts is not None else pa.nulls(len(rows), pa.string()),
                )
        for source, events in found.items():
            self._add_events(outcomes[source].path, view, outcomes[source].recorded, events)

    def _add_events(
        self, path: str, view: str, recorded: str, events: Iterable[FoundEvent]
    ) -> None:
        self.plan.add_events(path, view, [(event, _moment(recorded, event)) for event in events])

    def _write_events(self) -> None:
        part = unfinished_path(self.out)
        try:
            with pq.ParquetWriter(part, EVENT_SCHEMA, compression=COMPRESSION) as file:
                for batch in self.plan.events_in_batches(ROWS):
                    events = [event._replace(path=printable_path(event.path)) for event in batch]
                    columns = zip(*events, strict=True)
                    arrays = [
                        pa.array(column, kind, from_pandas=True)
                        for column, kind in zip(columns, EVENT_SCHEMA.types, strict=True)
                    ]
                    file.write_batch(pa.record_batch(arrays, schema=EVENT_SCHEMA))
            part.replace(self.out / EVENTS)
        finally:
            part.unlink(missing_ok=True)


class Row(NamedTuple):
    """A frame of a film."""

    frame: int
    time: float  # seconds since the start of the film
    gap: bool  # True if frames are missing before this frame
    raw: float
    reconstruction: float
    deformation: float
    score: float


class FilmEvents:
    """Finds the events of a film while its rows arrive. `dmad predict` finds the same events.

    Args:
        calibration: The calibration; None if there is no threshold.
        fps: Frames per second.
    """

    def __init__(self, calibration: Calibration | None, fps: float) -> None:
        self.calibration, self.step = calibration, 1 / (fps or 1.0)
        self.frames = 0
        self.spans: list[tuple[int, int]] = []  # frames of the events, [start, end)
        self.highest: FoundEvent | None = None  # frame with the highest score
        self._finder = EventFinder(calibration.rule) if calibration else None
        window = calibration.scorer.window if calibration else 1
        self._terms: deque[tuple[float, float]] = deque(maxlen=window)
        self._start = self._end = self._peak = self._time = 0.0
        self._why = ""

    @property
    def seconds(self) -> float:
        """Length of the film so far."""
        return self._time + self.step if self.frames else 0.0

    def add(self, row: Row) -> list[FoundEvent]:
        """Add the next frame. Return the events that ended before this frame."""
        found = self._close() if row.gap else []
        candidate = self._finder.candidate if self._finder else None
        if candidate and candidate.end == row.frame and not row.gap:
            self._end = row.time  # an event ends when the frame after it starts
        self._terms.append((row.reconstruction, row.deformation))
        self._keep_highest(row)
        self.frames, self._time = row.frame + 1, row.time
        if self._finder is None:
            return found
        event = self._finder.add_score(row.score)
        if event:
            found.append(self._found(event))
        self._follow(row)
        return found

    def end(self) -> list[FoundEvent]:
        """End the film. Return a list with the event that was in progress, or an empty list."""
        return self._close()

    def _follow(self, row: Row) -> None:
        """Store start, peak and end of a possible event: of frames that may become an event."""
        candidate = self._finder.candidate if self._finder else None
        if candidate is None:
            return
        if candidate.start == row.frame:
            self._start = row.time
        if candidate.peak == row.frame:
            self._peak, self._why = row.time, self._larger_part()
        if candidate.end == row.frame + 1:
            self._end = row.time + self.step

    def _close(self) -> list[FoundEvent]:
        event = self._finder.end_clip() if self._finder else None
        return [self._found(event)] if event else []

    def _found(self, event: Event) -> FoundEvent:
        assert self.calibration is not None
        self.spans.append((event.start, event.end))
        times = (self._start, self._end, self._peak)
        return FoundEvent(*times, event.score, self.calibration.threshold, self._why)

    def _larger_part(self) -> str:
        assert self.calibration is not None
        return self.calibration.scorer.larger_part(*np.array(self._terms).T)

    def _keep_highest(self, row: Row) -> None:
        if isnan(row.score) or (self.highest and row.score <= self.highest.score):
            return
        self.highest = FoundEvent(row.time, row.time, row.time, row.score, float("nan"))


def scores_file(scores: Path, view: str, name: str) -> Path:
    """Return the path of a file in the data set of scores.

    Args:
        scores: The folder of the data set.
        view: The view of the sources. The file is in the folder `view=NAME`.
        name: The path of a film, or the name of a task that judged images.
    """
    digest = sha256(name.encode(errors="surrogateescape")).hexdigest()[:10]
    stem = quote(PurePosixPath(printable_path(name)).name, safe="")[:LONGEST_NAME]
    return scores / f"view={quote(view, safe='')[:200]}" / f"{stem}-{digest}.parquet"


class _ScoreFile:
    """Writes a file of the data set of scores."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(path, SCHEMA, compression=COMPRESSION)

    def write(self, path: Any, frame: Any, time: Any, terms: list[Any], verdict: Any) -> None:
        """Write rows, given as one column for each argument. NaN becomes null.

        Args:
            path: Paths of the sources.
            frame: Numbers of the frames, or pages of the images.
            time: Seconds since the start of a film.
            terms: Four columns: raw score, reconstruction, deformation and score.
            verdict: "good", "anomalous" or null.
        """
        kinds = SCHEMA.types
        columns = [path, frame, time, *terms, verdict]
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, kind, from_pandas=True)
            for column, kind in zip(columns, kinds, strict=True)
        ]
        self._file.write_batch(pa.record_batch(arrays, schema=SCHEMA))

    def __enter__(self) -> _ScoreFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _write_scores(
    path: Path, source: str, rows: Iterator[Row], spans: list[tuple[int, int]] | None
) -> None:
    """Write the rows of a film.

    `spans` are the events as ranges of frames, [start, end). None: there is no threshold.
    """
    name = printable_path(source)
    with _ScoreFile(path) as file:
        first = next(rows, None)
        place = 0
        every = chain([first] if first else [], rows)
        while batch := [row for _, row in zip(range(ROWS), every, strict=False)]:
            verdicts: list[str | None] = []
            for row in batch:
                while spans and place < len(spans) and row.frame >= spans[place][1]:
                    place += 1
                inside = spans and place < len(spans) and row.frame >= spans[place][0]
                unknown = spans is None or (isnan(row.score) and not inside)
                verdicts.append(None if unknown else "anomalous" if inside else "good")
            columns = list(zip(*batch, strict=True))
            file.write([name] * len(batch), columns[0], columns[1], columns[3:], verdicts)


def _event_of_image(row: dict[str, Any], calibration: Calibration | None) -> FoundEvent:
    page = float(row["frame"])
    if calibration is None:
        return FoundEvent(page, page, page, row["score"], float("nan"))
    terms = np.array(row["reconstruction"]), np.array(row["deformation"])
    why = calibration.scorer.larger_part(*terms)
    return FoundEvent(page, page, page, row["score"], calibration.threshold, why)


def _moment(recorded: str, event: FoundEvent) -> str:
    """Return local date and time of the start of an event; "" if it is unknown."""
    if not recorded:
        return ""
    start = datetime.fromisoformat(recorded) + timedelta(seconds=event.start)
    return start.isoformat(timespec="seconds")
