"""The data of the charts on the page: curves for `page.js`, and thumbnails as SVG paths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmad.data.series import intervals
from dmad.evaluation.summary import Report, Series

Values = NDArray[np.floating[Any]]

Spans = list[tuple[int, int]]

WIDTH, HEIGHT = 160, 40  # size of a thumbnail in SVG units
TOP, BOTTOM = 2, 8  # space above and below the curve of a thumbnail; marks are drawn below
NARROWEST_MARK = 1.5  # SVG units
LOSSES = {
    "total": "Total loss",
    "reconstruction": "Reconstruction",
    "compression": "Compression",
    "smoothness": "Smoothness",
    "strength": "Deformation strength",
    "background": "Background",
    "cycle": "Cycle consistency",
}

MEMORY = {"perplexity": "Perplexity", "items_used": "Items used"}


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of the scores of a clip, in SVG units of WIDTH x HEIGHT."""

    name: str
    path: str  # SVG path of the score
    threshold: float | None  # y of the threshold
    truth: list[tuple[float, float]]  # left edge and width of each labelled stretch
    found: list[tuple[float, float]]  # left edge and width of each detected event
    caption: str  # number of events


def page_data(report: Report) -> str:
    """Return the data for `page.js` as JSON, which is safe inside a script element."""
    data = {
        "fps": report.fps,
        "unit": report.unit,
        "threshold": report.threshold,
        "clips": [_clip(series) for series in report.series],
        "roc": [_curve(x, y, name) for name, x, y in report.roc],
        "alarms": _curve(*report.alarms, "alarms") if report.alarms else None,
        "losses": loss_curves(report),
        "memory": memory_curves(report),
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def loss_curves(report: Report) -> list[dict[str, Any]]:
    """Return the training curves of the losses: first those in `LOSSES`, then the others."""
    recorded = _recorded(report)
    known = [name for name in LOSSES if name in recorded]
    others = [name for name in recorded if name not in {"epoch", "seconds", *LOSSES, *MEMORY}]
    return [_training_curve(report, name, LOSSES.get(name, name)) for name in [*known, *others]]


def memory_curves(report: Report) -> list[dict[str, Any]]:
    """Return the training curves of the memory."""
    recorded = _recorded(report)
    return [
        _training_curve(report, name, title) for name, title in MEMORY.items() if name in recorded
    ]


def _recorded(report: Report) -> list[str]:
    """Return the names of all values of the training history, in order."""
    return list(dict.fromkeys(name for epoch in report.history for name in epoch))


def _training_curve(report: Report, name: str, title: str) -> dict[str, Any]:
    epochs = [epoch.get("epoch", index + 1) for index, epoch in enumerate(report.history)]
    return _curve(epochs, [epoch.get(name, np.nan) for epoch in report.history], title)


def thumbnails(series: Sequence[Series], threshold: float | None) -> Iterator[Thumbnail]:
    """Yield the thumbnails of all clips, on the same scale."""
    values = [one.score[np.isfinite(one.score)] for one in series]
    if threshold is not None:
        values.append(np.array([threshold]))
    joined = np.concatenate(values) if values else np.zeros(0)
    low, high = (float(joined.min()), float(joined.max())) if joined.size else (0.0, 1.0)
    scale = (high - low) or 1.0
    for one in series:
        yield Thumbnail(
            name=one.name,
            path=_svg_path((_shortened(one.score) - low) / scale),
            threshold=None if threshold is None else _height((threshold - low) / scale),
            truth=_marks(label_spans(one.labels), len(one.score)),
            found=_marks(one.events or [], len(one.score)),
            caption=_caption(one),
        )


def label_spans(labels: np.ndarray | None) -> Spans:
    """Return start and end of each stretch of labels above 0; empty without labels."""
    return [] if labels is None else intervals(labels)


def json_numbers(values: ArrayLike) -> list[float | None]:
    """Return numbers with five significant digits; None if a value is not finite."""
    plain: list[float] = np.asarray(values, np.float64).tolist()
    return [float(f"{value:.5g}") if isfinite(value) else None for value in plain]


def _curve(x: ArrayLike, y: ArrayLike, name: str) -> dict[str, Any]:
    return {"name": name, "x": json_numbers(x), "y": json_numbers(y)}


def _clip(series: Series) -> dict[str, Any]:
    events = series.events
    return {
        "name": series.name,
        "score": json_numbers(series.score),
        "reconstruction": json_numbers(series.reconstruction),
        "deformation": json_numbers(series.deformation),
        "truth": None if series.labels is None else label_spans(series.labels),
        "found": None if events is None else [[int(start), int(end)] for start, end in events],
        "names": list(series.names),
    }


def _caption(series: Series) -> str:
    parts = []
    if series.events is not None:
        parts.append(f"{len(series.events)} detected")
    if series.labels is not None:
        parts.append(f"{len(label_spans(series.labels))} labelled")
    return ", ".join(parts)


def _shortened(score: Values) -> Values:
    """Return the highest score in each of at most WIDTH equal stretches; -inf: no score."""
    count = min(WIDTH, len(score))
    if not count:
        return score
    starts = np.arange(count) * len(score) // count
    return np.maximum.reduceat(np.where(np.isfinite(score), score, -np.inf), starts)


def _height(share: float) -> float:
    """Return y in SVG units for a share of the scale from 0 (low) to 1 (high)."""
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 2)


def _svg_path(shares: Values) -> str:
    """Return the lines through consecutive finite values as one SVG path."""
    step = WIDTH / max(len(shares), 1)
    stretches = []
    for start, stop in intervals(np.isfinite(shares)):
        points = [
            f"{(index + 0.5) * step:.4g} {_height(float(shares[index])):.4g}"
            for index in range(start, stop)
        ]
        dot = "h0" if len(points) == 1 else ""  # a line of length 0 is drawn as a dot
        stretches.append(f"M{'L'.join(points)}{dot}")
    return "".join(stretches)


def _marks(spans: Iterable[Sequence[int]], frames: int) -> list[tuple[float, float]]:
    """Return left edge and width of spans [start, end) in SVG units."""
    step = WIDTH / max(frames, 1)
    return [
        (round(start * step, 2), round(max((end - start) * step, NARROWEST_MARK), 2))
        for start, end in spans
    ]
