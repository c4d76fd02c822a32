"""Describes events and inspected parts for pages and the REST interface, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from dmad.serve.texts import length_of, sentence_of, when

BINS = 48  # number of bins of a histogram


def shown_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event with a sentence about it, and the addresses of its film and picture."""
    number = event["number"]
    shown = {name: event[name] for name in event if name not in ("film", "thumbnail", "scores")}
    return shown | {
        "words": sentence_of(event),
        "when": when(event),
        "length": length_of(event),
        "film": f"/api/events/{number}/film" if event["film"] else None,
        "thumbnail": f"/api/events/{number}/thumbnail" if event["thumbnail"] else None,
    }


def shown_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inspected part with the addresses of its pictures."""
    number = part["number"]
    shown = {name: part[name] for name in part if name not in ("picture", "heat")}
    return shown | {
        "clock": datetime.fromtimestamp(part["time"]).strftime("%H:%M:%S"),
        "picture": f"/api/parts/{number}/picture" if part["picture"] else None,
        "heat": f"/api/parts/{number}/heat" if part["heat"] else None,
    }


def histogram_of(
    good: np.ndarray, today: Sequence[float] | np.ndarray, threshold: float | None
) -> dict[str, Any]:
    """Return histograms of the good parts and of the parts of today, over the same bins.

    Args:
        good: (N,) scores of the good parts that the threshold was set on; may be empty.
        today: (M,) scores of the parts of today; may be empty.
        threshold: The threshold, which the range of the bins includes. None: no threshold.
    """
    today = np.asarray(today, float)
    every = np.concatenate([good, today, [] if threshold is None else [threshold]])
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    return {
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "good": np.histogram(good, edges)[0].tolist(),
        "today": np.histogram(today, edges)[0].tolist(),
        "scores": [round(float(score), 4) for score in today],
        "threshold": threshold,
    }


def timeline_of(event: Mapping[str, Any], width: int = 600, height: int = 120) -> dict[str, Any]:
    """Return the scores around an event as the path of an SVG picture.

    Args:
        event: The event.
        width: Width of the picture in SVG units.
        height: Height of the picture in SVG units.

    Returns:
        The path, and the positions of the threshold and of the event in the picture. With fewer
        than two scores, there is only an empty path.
    """
    scores = [(at, score) for at, score in event["scores"] if score is not None]
    if len(scores) < 2:
        return {"path": ""}
    times, values = np.array(scores).T
    end = event["end"] if event["end"] is not None else times[-1]
    high = max(values.max(), event["threshold"]) * 1.08
    low = min(0.0, values.min())
    span = max(times[-1] - times[0], 1e-6)

    def x(at: float) -> float:
        return round(float(np.clip((at - times[0]) / span, 0, 1)) * width, 1)

    def y(score: float) -> float:
        return round(float(height - (score - low) / (high - low) * height), 1)

    gaps = [after - before > 2.0 for before, after in pairwise(times)]
    pieces = [
        f"{'M' if index == 0 or gaps[index - 1] else 'L'}{x(at)} {y(score)}"
        for index, (at, score) in enumerate(zip(times, values, strict=True))
    ]
    return {
        "path": "".join(pieces),
        "threshold": y(event["threshold"]),
        "start": x(event["start"]),
        "length": max(2.0, x(end) - x(event["start"])),
        "peak": x(event["peak"]),
        "width": width,
        "height": height,
        "seconds": f"{span:.0f}",
    }
