"""What the page draws, as plain data: curves for `page.js`, and small ones as SVG paths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmad.data.series import runs
from dmad.evaluation.summary import Report, Series

Values = NDArray[np.floating[Any]]

Spans = list[tuple[int, int]]

WIDTH, HEIGHT = 160, 40  # of a thumbnail's drawing, in its own units

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
    """A clip at a glance, in units of WIDTH x HEIGHT."""

    name: str
    path: str  # of the score
    threshold: float | None  # height of the line, where it lies in the picture
    truth: list[tuple[float, float]]  # x and width
    found: list[tuple[float, float]]
    words: str  # the same in words


def as_json(report: Report) -> str:
    """All that `page.js` draws, as JSON that is safe inside a script element."""
    data = {
        "fps": report.fps,
        "unit": report.unit,
        "threshold": report.threshold,
        "clips": [_clip(series) for series in report.series],
        "roc": [_curve(x, y, name) for name, x, y in report.roc],
        "alarms": _curve(*report.alarms, "alarms") if report.alarms else None,
        "losses": epochs(report, LOSSES, others=True),
        "memory": epochs(report, MEMORY),
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def epochs(report: Report, names: Mapping[str, str], others: bool = False) -> list[dict[str, Any]]:
    """The training curves of these figures, and of all that nobody named if `others`."""
    known = list(dict.fromkeys(key for epoch in report.history for key in epoch))
    wanted = [name for name in names if name in known]
    if others:
        wanted += [name for name in known if name not in {"epoch", "seconds", *LOSSES, *MEMORY}]
    steps = [epoch.get("epoch", i + 1) for i, epoch in enumerate(report.history)]
    return [
        _curve(steps, [epoch.get(name, np.nan) for epoch in report.history], names.get(name, name))
        for name in wanted
    ]


def thumbnails(series: Sequence[Series], threshold: float | None) -> Iterator[Thumbnail]:
    """Every clip's score in small, all on one scale."""
    known = np.concatenate([one.score[np.isfinite(one.score)] for one in series] + [np.zeros(0)])
    marks = known if threshold is None else np.append(known, threshold)
    low, high = (float(marks.min()), float(marks.max())) if marks.size else (0.0, 1.0)
    scale = (high - low) or 1.0
    line = None if threshold is None else _height((threshold - low) / scale)
    for one in series:
        path = _path((_pooled(one.score) - low) / scale)
        truth, found = _scaled(spans(one.labels), one), _scaled(one.events or [], one)
        yield Thumbnail(one.name, path, line, truth, found, _words(one))


def spans(labels: np.ndarray | None) -> Spans:
    """The runs of labels above 0; none where there are no labels."""
    return [] if labels is None else runs(labels)


def numbers(values: ArrayLike) -> list[float | None]:
    """Five significant digits; what is not finite is None."""
    plain: list[float] = np.asarray(values, np.float64).tolist()
    return [_short(value) if isfinite(value) else None for value in plain]


def _short(value: float) -> float:
    rounded = float(f"{value:.5g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _curve(x: ArrayLike, y: ArrayLike, name: str) -> dict[str, Any]:
    return {"name": name, "x": numbers(x), "y": numbers(y)}


def _clip(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "score": numbers(series.score),
        "reconstruction": numbers(series.reconstruction),
        "deformation": numbers(series.deformation),
        "truth": None if series.labels is None else spans(series.labels),
        "found": None if series.events is None else [[int(a), int(b)] for a, b in series.events],
        "names": list(series.names),
    }


def _words(series: Series) -> str:
    found = [] if series.events is None else [f"{len(series.events)} found"]
    marked = [] if series.labels is None else [f"{len(spans(series.labels))} labelled"]
    return ", ".join(found + marked)


def _pooled(score: Values) -> Values:
    """The highest score of each of at most WIDTH equal stretches, NaN where there is none."""
    count = min(WIDTH, len(score))
    starts = np.arange(count) * len(score) // max(count, 1)
    known = np.where(np.isfinite(score), score, -np.inf)
    return np.maximum.reduceat(known, starts) if count else known


def _height(unit: float) -> float:
    """From 0 (low) to 1 (high), to a place in the picture, with room for the marks below."""
    return round(2 + (1 - unit) * (HEIGHT - 10), 2)


def _path(units: Values) -> str:
    """Connected runs of finite values as one SVG path."""
    step, words = WIDTH / max(len(units), 1), []
    for start, stop in runs(np.isfinite(units)):
        line = (
            f"{(i + 0.5) * step:.4g} {_height(float(units[i])):.4g}" for i in range(start, stop)
        )
        words.append(f"M{'L'.join(line)}")
        words += ["h0"] if stop - start == 1 else []  # which its round end makes a dot
    return "".join(words)


def _scaled(found: Iterable[Sequence[int]], series: Series) -> list[tuple[float, float]]:
    step = WIDTH / max(len(series.score), 1)
    return [(round(a * step, 2), round(max((b - a) * step, 1.5), 2)) for a, b in found]
