"""Charts of scores over time and of training curves, as images (H, W, 3), uint8 RGB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from dmad.data.series import intervals
from dmad.drawing.pictures import Pixels, Values
from dmad.errors import require

# Colours by Okabe and Ito, which colour-blind people can distinguish.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"

SHADE = "#F6D5C3"  # behind abnormal frames


def timeline(
    scores: Values,
    labels: NDArray[Any] | None,
    terms: Mapping[str, Values],
    seconds: Values,
    threshold: float | None = None,
) -> Pixels:
    """Draw the score of a clip over time. The line has a gap at frames without a score.

    Args:
        scores: (T,) larger is more anomalous.
        labels: (T,) above 0 for abnormal frames, which get a coloured background.
        terms: At most three terms of the score by name, (T,) each. They are drawn below the score.
            Each term is scaled to the height of the chart.
        seconds: (T,) time of each frame.
        threshold: The threshold of the score, drawn as a dashed line; None: no line.
    """
    figure, axes = make_axes(9, [3, 1] if terms else [3], 1)
    _draw_scores(axes[0], seconds, scores, threshold)
    if terms:
        _draw_terms(axes[1], seconds, terms)
    for axis in axes:
        axis.set_xlim(0, max(seconds[-1], 1e-3))
        if labels is not None:
            _shade_abnormal(axis, seconds, labels)
    axes[-1].set_xlabel("time in seconds")
    return render(figure)


def _draw_scores(axis: Axes, seconds: Values, scores: Values, threshold: float | None) -> None:
    axis.plot(seconds, scores, color=BLUE, lw=1.5)
    # A single score between two gaps is not visible as a line, so it is drawn as a dot.
    single = [start for start, stop in intervals(np.isfinite(scores)) if stop - start == 1]
    axis.plot(seconds[single], scores[single], color=BLUE, ls="", marker=".")
    axis.set_ylabel("anomaly score")
    if threshold is not None:
        axis.axhline(threshold, color=RED, lw=1, ls="--", label="threshold")
        axis.legend(loc="upper right", fontsize=9)


def _draw_terms(axis: Axes, seconds: Values, terms: Mapping[str, Values]) -> None:
    for (name, values), color in zip(terms.items(), (ORANGE, GREEN, RED), strict=False):
        known = values[np.isfinite(values)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
        label = f"{name}, {low:.3g} to {high:.3g}"
        axis.plot(seconds, (values - low) / ((high - low) or 1), color=color, lw=1, label=label)
    axis.set(ylabel="terms", yticks=[])
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9)


def _shade_abnormal(axis: Axes, seconds: Values, labels: NDArray[Any]) -> None:
    """Shade each interval of abnormal frames, and half a frame before and after the interval."""
    frames = np.arange(len(seconds))
    for start, stop in intervals(labels):
        left, right = np.interp((start - 0.5, stop - 0.5), frames, seconds)
        axis.axvspan(left, right, color=SHADE, lw=0)


def training_curves(history: Mapping[str, Sequence[float]]) -> Pixels:
    """Draw the losses and other values of a training, each in a small chart over the epochs.

    Args:
        history: The values of every epoch, by name.
    """
    require(len(history) > 0, "history is empty; give a list of values for each name")
    columns = min(3, len(history))
    rows = ceil(len(history) / columns)
    figure, axes = make_axes(3 * columns, [2] * rows, columns)
    for axis, (name, values) in zip(axes, history.items(), strict=False):
        axis.plot(np.arange(1, len(values) + 1), values, color=BLUE, marker=".", lw=1.5)
        axis.set_title(name, loc="left", fontsize=10)
        axis.set_xlim(0.5, len(values) + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axis.yaxis.set_major_formatter("{x:g}")
    for unused in axes[len(history) :]:
        unused.remove()
    figure.supxlabel("epoch", fontsize=10)
    return render(figure)


class NotebookFigure(Figure):
    """A figure that notebooks display, even if pyplot is not used."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


def explanation_figure(
    pictures: Mapping[str, Pixels],
    title: str,
    scores: Values | None = None,
    threshold: float | None = None,
    row: int = 0,
) -> Figure:
    """Draw pictures side by side, with the scores of all frames or images below them.

    Args:
        pictures: (h, w, 3) each, by their titles.
        title: The title of the figure.
        scores: (N,) all scores; None: no chart is drawn.
        threshold: The threshold of the scores. None: no threshold was set.
        row: Index in `scores` of the frame or image that the pictures show.
    """
    names = list(pictures)
    height, width, _ = next(iter(pictures.values())).shape
    tile = 9 / len(names) * height / width  # inches
    heights = [tile] if scores is None else [tile, 1.6]
    figure = NotebookFigure(figsize=(9, sum(heights) + 0.8), layout="constrained")
    grid = figure.add_gridspec(len(heights), len(names), height_ratios=heights)
    for column, name in enumerate(names):
        axis = figure.add_subplot(grid[0, column])
        axis.imshow(pictures[name])
        axis.set_title(name, fontsize=10)
        axis.axis("off")
    if scores is not None:
        axis = figure.add_subplot(grid[1, :])
        _draw_scores(axis, np.arange(len(scores), dtype=float), scores, threshold)
        axis.axvline(row, color=ORANGE, lw=1)
        axis.set(xlabel="row", xlim=(-0.5, len(scores) - 0.5))
        axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=12)
    return figure


def make_axes(width: float, heights: Sequence[float], columns: int) -> tuple[Figure, list[Axes]]:
    """Make a figure of `width` inches with a grid of axes.

    Args:
        width: Width of the figure in inches.
        heights: Height of each row in inches.
        columns: Number of axes in a row.

    Returns:
        The figure, and its axes row by row.
    """
    figure = Figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    for axis in grid.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#E4E4E4")
    return figure, list(grid.flat)


def render(figure: Figure, dpi: int = 120) -> Pixels:
    """Draw a figure as an image with `dpi` pixels per inch."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return np.array(Image.open(file).convert("RGB"))
