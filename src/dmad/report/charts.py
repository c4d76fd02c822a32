"""The data of the charts on the page: curves for `page.js`."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmad.drawing.thumbnails import label_spans
from dmad.evaluation.summary import Report, Series

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


def page_data(report: Report) -> str:
    """Return the data for `page.js` as JSON, which is safe inside a script element."""
    data = {
        "fps": report.fps,
        "unit": report.unit,
        "terms": list(report.terms),
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
        "deformation": [] if series.deformation is None else json_numbers(series.deformation),
        "truth": None if series.labels is None else label_spans(series.labels),
        "found": None if events is None else [[int(start), int(end)] for start, end in events],
        "names": list(series.names),
    }
