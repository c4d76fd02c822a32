"""Describes the places at which a camera is less sensitive, in words and in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np

from dmad.calibration.calibration import Calibration
from dmad.calibration.normal_places import (
    NOWHERE,
    SMALLEST_WEIGHT,
    LostSensitivity,
    NormalPlaces,
    lost_sensitivity,
)
from dmad.drawing.pictures import encoded
from dmad.serve.event_rows import EventRows
from dmad.serve.models import ThresholdChange
from dmad.serve.texts import place_of, text

SIDE = 512  # height and width of the picture in pixels
STRIPES = 16  # pixels from one stripe to the next
COLOUR = (74, 144, 255)
FAINTEST, STRONGEST = 0.15, 0.6  # opacity where a place counts nearly fully, and not at all
STRIPE = 0.25  # is added to the opacity in a stripe


def shown_places(number: int, calibration: Calibration | None) -> dict[str, Any] | None:
    """Return what pages show about the less sensitive places of a camera, ready for JSON.

    Args:
        number: Number of the camera.
        calibration: The threshold and the places of the camera. None: no threshold.

    Returns:
        None if no place is less sensitive.
    """
    lost = lost_sensitivity(NOWHERE, calibration.places) if calibration else None
    if calibration is None or lost is None:
        return None
    version = sha256(calibration.places.picture.encode()).hexdigest()[:12]
    return {
        "share": round(lost.share, 3),
        "factor": round(lost.factor, 2),
        "words": text("places.now", **_values(lost)),
        "picture": f"/api/cameras/{number}/places.png?v={version}",
    }


def words_of_change(change: ThresholdChange) -> str:
    """Return a text that says what has changed: the threshold, the places, or nothing."""
    parts = []
    if change.new != change.old:
        parts.append(text("change.threshold", old=f"{change.old:.2f}", new=f"{change.new:.2f}"))
    before, after = change.before.places, change.after.places
    if lost := lost_sensitivity(before, after):
        parts.append(text("change.less", **_values(lost)))
    if gained := lost_sensitivity(after, before):
        parts.append(text("change.more" if after else "change.everywhere", **_values(gained)))
    parts = parts or [text("change.nothing")]
    if change.places_left_out:
        parts.append(text("change.left-out"))
    return " ".join(parts)


def words_of_mark(change: ThresholdChange, only_here: bool) -> str:
    """Return a text that says what the mark `normal` of an event has changed.

    Args:
        change: The change.
        only_here: True if the mark was to change only the less sensitive places.
    """
    if only_here and change.after == change.before:
        return text("change.silent")
    return words_of_change(change)


def silent_events(rows: EventRows, camera: str, change: ThresholdChange) -> list[dict[str, Any]]:
    """Return the past events of a camera that would raise no alarm after a change.

    If the threshold has risen, these are the events with scores below the new threshold. If the
    less sensitive places have changed, the result is an estimate: it uses only the frame with the
    highest score of each event. In other frames, the event may be at other places, and may still
    raise an alarm there.
    """
    before, after = change.before, change.after
    if after.places == before.places:
        return rows.silent(camera, before.threshold, after.threshold)
    weights = after.places.weights() / np.maximum(before.places.weights(), SMALLEST_WEIGHT)
    needed = after.scorer.raw(after.threshold)
    return [
        event
        for event in rows.silent(camera, after.threshold, np.inf)
        if after.scorer.raw(event["score"]) * _highest_in(weights, event["box"]) < needed
    ]


def _highest_in(weights: np.ndarray, box: Sequence[float]) -> float:
    """The highest of the weights (H, W) inside a box."""
    height, width = weights.shape
    left, right = int(box[0] * width), max(ceil(box[2] * width), int(box[0] * width) + 1)
    top, bottom = int(box[1] * height), max(ceil(box[3] * height), int(box[1] * height) + 1)
    return float(weights[top:bottom, left:right].max(initial=0.0))


@lru_cache(maxsize=64)
def places_picture(places: NormalPlaces) -> bytes:
    """Return a PNG picture that is shown over the picture of the camera.

    The PNG picture is striped where scores count less, and transparent elsewhere. The less a score
    counts, the more opaque is the place.
    """
    loss = 1 - places.weights(SIDE)
    opacity = np.where(loss > 0, FAINTEST + (STRONGEST - FAINTEST) * loss, 0)
    y, x = np.indices((SIDE, SIDE))
    opacity += STRIPE * ((x + y) % STRIPES < STRIPES // 4) * (loss > 0)
    picture = np.empty((SIDE, SIDE, 4), np.uint8)
    picture[..., :3] = COLOUR
    picture[..., 3] = np.round(255 * opacity)
    return encoded(picture, "PNG")


def _values(lost: LostSensitivity) -> dict[str, str]:
    """Return the values that are filled into the texts about less sensitive places.

    `lost` says where a camera is less sensitive than before, and how much less.
    """
    return {
        "where": place_of((*lost.centre, *lost.centre)),
        "share": f"{max(1, round(100 * lost.share))}",
        "factor": f"{max(1.1, lost.factor):.1f}",
    }
