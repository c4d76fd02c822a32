"""The alarms of the past: read from the folder that `dmad predict` or `dmad watch` wrote."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dmad.errors import DmadError, require


@dataclass(frozen=True)
class PastEvent:
    """A past alarm: an event of a video or a camera, or an anomalous image."""

    id: str  # name in events.jsonl; folder and start in events.csv; name of the image
    score: float  # its highest calibrated score


def read_past_events(folder: Path) -> list[PastEvent]:
    """Return the alarms in the files of a folder and its subfolders.

    Args:
        folder: Folder with `events.jsonl` of `dmad watch`, `events.csv` of `dmad predict`, or
            `scores.csv` of images. `events.csv` contains no ids. For its events, the id is made
            from the name of its folder and the start in seconds, such as yard-12.300.

    Raises:
        DmadError: The folder contains no such file, or one is damaged.
    """
    readers = {"events.jsonl": _messages, "events.csv": _clip_events, "scores.csv": _images}
    paths = [path for name in readers for path in sorted(folder.rglob(name))]
    require(bool(paths), f"{folder} holds no events.jsonl, events.csv or scores.csv")
    events: dict[str, PastEvent] = {}
    for path in paths:
        try:
            for event in readers[path.name](path):
                events[event.id] = event
        except (OSError, AttributeError, ValueError, TypeError, KeyError) as error:
            raise DmadError(f"{path} is damaged; name another folder of events") from error
    return list(events.values())


def _messages(path: Path) -> Iterator[PastEvent]:
    for line in path.read_text().splitlines():
        message = json.loads(line)
        if message["kind"] == "event":
            yield PastEvent(message["id"], float(message["score"]))


def _clip_events(path: Path) -> Iterator[PastEvent]:
    for row in _rows(path):
        yield PastEvent(f"{path.parent.name}-{float(row['start']):.3f}", float(row["score"]))


def _images(path: Path) -> Iterator[PastEvent]:
    for row in _rows(path):
        if row.get("verdict") == "anomalous":
            yield PastEvent(row["image"], float(row["score"]))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
