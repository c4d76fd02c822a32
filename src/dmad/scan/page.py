"""The page of a scan, `index.html`: what was found, when and where, and what was left out.

The page contains the data of up to `MOST_EVENTS` events, and shows some events at a time. The file
is written in pieces, so that writing needs little memory.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dmad.drawing.page import page_style, template, text_of
from dmad.files import unfinished_path
from dmad.predict.index_page import INDEX, MARK, PACKAGE, counted
from dmad.scan.addresses import printable_path
from dmad.scan.drawing_task import drawing_name, film_path, picture_path
from dmad.scan.merge import Totals
from dmad.scan.plan import Plan, StoredEvent

MOST_EVENTS = 100_000  # events on the page
MOST_FILES = 100_000  # left-out files on the page
MOST_VIEWS = 200  # rows of the heat map
MOST_MONTHS = 36  # months of the calendar
AT_ONCE = 1000  # events that are read at once
HERE = "dmad.scan"
CLOCKS = {
    "name": "the name of the source or its folders",
    "file": "what the film itself states",
    "date of change": "the time at which the file was changed",
}


@dataclass(frozen=True)
class Cell:
    """A cell of the heat map: the events of one view in one hour of the day."""

    count: int
    part: float  # this count divided by the largest count of all cells


@dataclass(frozen=True)
class HourRow:
    """A row of the heat map: a view, and its events by hour of the day."""

    view: str
    cells: list[Cell]


@dataclass(frozen=True)
class Day:
    """A day of the calendar."""

    number: int  # in its month; 0: the day belongs to another month
    date: str = ""  # 2026-03-01
    events: int = 0
    part: float = 0.0  # events of this day divided by the most events of a day
    recorded: bool = False  # True if a judged recording began on this day


@dataclass(frozen=True)
class Month:
    """A month of the calendar."""

    name: str
    weeks: list[list[Day]]


def write_page(plan: Plan, out: Path, totals: Totals, judges: str) -> None:
    """Write `index.html`. Only the user who runs dmad can read the file.

    Args:
        plan: The plan, with all outcomes and events.
        out: The folder of the scan, with the pictures and films.
        totals: Numbers of what was judged.
        judges: "frames" or "images".
    """
    page = template(HERE, "scan.html", base=PACKAGE)
    style = page_style() + text_of(PACKAGE, "index.css") + text_of(HERE, "scan.css")
    content = {
        "mark": Markup(MARK.format(verb="scan")),
        "verb": "scan",
        "style": Markup(style),
        "script": Markup(text_of(HERE, "scan.js")),
        "data": data_pieces(plan, out, judges),
        **_content(plan, totals, judges),
    }
    part = unfinished_path(out)
    try:
        with part.open("w", encoding="utf-8", errors="replace") as file:
            part.chmod(0o600)
            file.writelines(page.generate(content))
        part.replace(out / INDEX)
    finally:
        part.unlink(missing_ok=True)


def _content(plan: Plan, totals: Totals, judges: str) -> dict[str, Any]:
    """Return the values of the template, except for the events."""
    is_video = judges == "frames"
    judged, left_out = plan.count()
    views = plan.numbers_of_views()
    in_all = plan.count_events()
    has_threshold = plan.has_threshold()
    hours = hour_rows(plan)
    noun = "event" if is_video else "anomalous image"
    heading = f"Highest scores of {counted(judged, 'source')}"
    if has_threshold:
        heading = f"{counted(totals.events, noun)} in {counted(judged, 'source')}".capitalize()
    return {
        "heading": heading,
        "lead": _lead(totals, left_out, is_video, has_threshold),
        "found": f"{noun}s" if has_threshold else "highest scores",
        "is_video": is_video,
        "has_threshold": has_threshold,
        "events": in_all,
        "shown_events": min(in_all, MOST_EVENTS),
        "views": views,
        "hours": hours,
        "more_views": plan.count_views_with_events() - len(hours),
        "months": months(plan),
        "clocks": _clocks(plan),
        "left_out": left_out,
    }


def _lead(totals: Totals, left_out: int, is_video: bool, has_threshold: bool) -> str:
    what = f"{totals.frames} images were judged."
    if is_video:
        hours = totals.seconds / 3600
        length = f"{hours:.1f} hours" if hours >= 1 else f"{totals.seconds / 60:.1f} minutes"
        what = f"{length} of recordings with {totals.frames} frames were judged."
    missing = f" {counted(left_out, 'file')} could not be judged." if left_out else ""
    none = " The model has no threshold; set one with `dmad calibrate`."
    return what + missing + ("" if has_threshold else none)


def _clocks(plan: Plan) -> str:
    found = plan.clocks()
    if not found:
        return ""
    parts = [f"{CLOCKS.get(clock, clock)} ({count})" for clock, count in found]
    return f"Date and time come from {', '.join(parts)}."


def data_pieces(plan: Plan, out: Path, judges: str) -> Iterator[Markup]:
    """Yield the data of the page as JSON, in pieces.

    Each event is a list: path, view, start, end, score, the larger term of the score ("error" or
    "deformation"), date and time, and the names of the picture and of the film. A missing name is
    "". Each file that is left out is a list: path and reason.
    """
    yield _json_start(judges)
    first = True
    for events in plan.events_in_batches(AT_ONCE, MOST_EVENTS, strongest_first=True):
        entries = [_entry(plan, out, event) for event in events]
        yield Markup(("" if first else ",") + _safe(entries)[1:-1])
        first = False
    yield Markup('],"left":[')
    first = True
    for number, (path, reason) in enumerate(plan.left_out()):
        if number == MOST_FILES:
            break
        yield Markup(("" if first else ",") + _safe([printable_path(path), reason]))
        first = False
    yield Markup("]}")


def _json_start(judges: str) -> Markup:
    return Markup(f'{{"video":{"true" if judges == "frames" else "false"},"events":[')


def _entry(plan: Plan, out: Path, event: StoredEvent) -> list[Any]:
    name = drawing_name(plan.source(event.path), event.peak)
    picture = name if picture_path(out, name).exists() else ""
    film = name if picture and film_path(out, name).exists() else ""
    return [
        printable_path(event.path),
        event.view,
        *(round(event.start, 2), round(event.end, 2), round(event.score, 4)),
        *(event.why, event.recorded, picture, film),
    ]


def _safe(value: object) -> str:
    """Return JSON that can be written into a `script` element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def hour_rows(plan: Plan) -> list[HourRow]:
    """Return the heat map: for the views with the most events, their events by hour of the day."""
    counts: dict[str, list[int]] = {}
    for view, hour, count in plan.events_by_hour(MOST_VIEWS):
        counts.setdefault(view, [0] * 24)[int(hour)] = count
    largest = max((max(hours) for hours in counts.values()), default=0) or 1
    return [
        HourRow(view, [Cell(count, round(count / largest, 3)) for count in hours])
        for view, hours in sorted(counts.items())
    ]


def months(plan: Plan) -> list[Month]:
    """Return the newest `MOST_MONTHS` months in which there are recordings or events."""
    events = dict(plan.events_by_day())
    recorded = set(plan.recorded_days())
    largest = max(events.values(), default=0) or 1
    names = sorted({day[:7] for day in (*events, *recorded)})[-MOST_MONTHS:]

    def day_of(name: str, number: int) -> Day:
        if not number:
            return Day(0)
        day = f"{name}-{number:02d}"
        count = events.get(day, 0)
        return Day(number, day, count, round(count / largest, 3), day in recorded)

    found = []
    for name in names:
        first = date.fromisoformat(f"{name}-01")
        weeks = calendar.Calendar().monthdayscalendar(first.year, first.month)
        title = f"{calendar.month_name[first.month]} {first.year}"
        found.append(Month(title, [[day_of(name, one) for one in week] for week in weeks]))
    return found
