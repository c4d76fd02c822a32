"""Returns the texts of the pages, which are in one file, and makes sentences about events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from dmad.drawing.page import text_of

PACKAGE = "dmad.serve"
FILE = "page/texts.json"
STRONG, VERY_STRONG = 1.5, 3.0  # score of a strong event, as a multiple of the threshold


@cache
def texts() -> Mapping[str, str]:
    """Return all texts by their names. To translate the console, translate the file `FILE`."""
    found: dict[str, str] = json.loads(text_of(PACKAGE, FILE))
    return found


def text(name: str, /, **values: object) -> str:
    """Return a text with its values filled in.

    Raises:
        KeyError: There is no text with this name.
    """
    found = texts()[name]
    return found.format(**values) if values else found


def place_of(box: Sequence[float]) -> str:
    """Return the place of a box in words, such as "at the lower left"."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else "middle"
    row = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else "middle"
    return text(f"place.{row}-{column}")


def sentence_of(event: Mapping[str, Any]) -> str:
    """Return a sentence that says what an event is, where it is, and how strong it is."""
    ratio = event["score"] / event["threshold"] if event["threshold"] > 0 else 0.0
    strength = "very-strong" if ratio >= VERY_STRONG else "strong" if ratio >= STRONG else "weak"
    return text(
        "event.sentence",
        what=text(f"term.{event['term']}"),
        place=place_of(event["box"]),
        strength=text(f"strength.{strength}"),
    )


def when(event: Mapping[str, Any]) -> str:
    """Return the start of an event as local time, or as seconds from the start of a recording."""
    if event["live"]:
        return datetime.fromtimestamp(event["start"]).strftime("%H:%M:%S")
    return text("time.recording", seconds=f"{event['start']:.1f}")


def length_of(event: Mapping[str, Any]) -> str:
    """Return how long an event was, in words."""
    if event["end"] is None:
        return text("event.running")
    seconds = max(0.0, event["end"] - event["start"])
    if seconds < 60:
        return text("time.seconds", seconds=f"{seconds:.1f}")
    return text("time.minutes", minutes=int(seconds // 60), seconds=int(seconds % 60))
