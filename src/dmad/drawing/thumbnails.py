"""Small pictures of the scores of clips, as SVG paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dmad.data.series import intervals
from dmad.drawing.pictures import Values
from dmad.evaluation.summary import Series

Spans = list[tuple[int, int]]

WIDTH, HEIGHT = 160, 40  # usual size of a thumbnail in SVG units
TOP, BOTTOM = 2, 8  # space above and below the curve of a thumbnail; marks are drawn below
NARROWEST_MARK = 1.5  # SVG units


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of the scores of a clip. Lengths are in SVG units, its height is `HEIGHT`."""

    name: str
    path: str  # SVG path of the score
    threshold: float | None  # y of the threshold; None without a threshold
    truth: list[tuple[float, float]]  # left edge and width of each labelled stretch
    found: list[tuple[float, float]]  # left edge and width of each detected event
    caption: str  # numbers of detected events and labelled stretches


def thumbnails(
    series: Sequence[Series], threshold: float | None, width: int = WIDTH
) -> Iterator[Thumbnail]:
    """Yield the thumbnails of all clips, on the same scale.

    Args:
        series: The scores of each clip.
        threshold: The threshold of the scores. The scale includes it.
        width: Width in SVG units, and the largest number of points of a curve.
    """
    values = [one.score[np.isfinite(one.score)] for one in series]
    if threshold is not None:
        values.append(np.array([threshold]))
    joined = np.concatenate(values) if values else np.zeros(0)
    low, high = (float(joined.min()), float(joined.max())) if joined.size else (0.0, 1.0)
    scale = (high - low) or 1.0
    for one in series:
        yield Thumbnail(
            name=one.name,
            path=_svg_path((_shortened(one.score, width) - low) / scale, width),
            threshold=None if threshold is None else _height((threshold - low) / scale),
            truth=_marks(label_spans(one.labels), len(one.score), width),
            found=_marks(one.events or [], len(one.score), width),
            caption=_caption(one),
        )


def label_spans(labels: np.ndarray | None) -> Spans:
    """Return the intervals of frames with labels above 0; an empty list if `labels` is None.

    An interval is the index of its first frame, and the index after its last frame.
    """
    return [] if labels is None else intervals(labels)


def _caption(series: Series) -> str:
    parts = []
    if series.events is not None:
        parts.append(f"{len(series.events)} detected")
    if series.labels is not None:
        parts.append(f"{len(label_spans(series.labels))} labelled")
    return ", ".join(parts)


def _shortened(score: Values, width: int) -> Values:
    """Divide the frames into at most `width` equal parts. Return the highest score of each part.

    The result is -inf for a part without a score.
    """
    count = min(width, len(score))
    if not count:
        return score
    starts = np.arange(count) * len(score) // count
    return np.maximum.reduceat(np.where(np.isfinite(score), score, -np.inf), starts)


def _height(share: float) -> float:
    """Return y in SVG units for a share of the scale from 0 (low) to 1 (high)."""
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 2)


def _svg_path(shares: Values, width: int) -> str:
    """Return an SVG path through all values. It has gaps at values that are not finite.

    `shares` are heights on the scale, from 0 (low) to 1 (high).
    """
    step = width / max(len(shares), 1)
    stretches = []
    for start, stop in intervals(np.isfinite(shares)):
        points = [
            f"{(index + 0.5) * step:.4g} {_height(float(shares[index])):.4g}"
            for index in range(start, stop)
        ]
        dot = "h0" if len(points) == 1 else ""  # a line of length 0 is drawn as a dot
        stretches.append(f"M{'L'.join(points)}{dot}")
    return "".join(stretches)


def _marks(spans: Iterable[Sequence[int]], frames: int, width: int) -> list[tuple[float, float]]:
    """Return left edge and width, in SVG units, of intervals (first frame, frame after the last).

    `frames` is the number of frames of the clip, and `width` the width of its thumbnail.
    """
    step = width / max(frames, 1)
    return [
        (round(start * step, 2), round(max((end - start) * step, NARROWEST_MARK), 2))
        for start, end in spans
    ]
