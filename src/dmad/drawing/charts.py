"""Drawings of what the model sees: heat, deformation fields, panels like the paper's, curves.

Pure functions on numpy arrays. Each returns an image (H, W, 3), uint8 RGB. A field is
(2, H, W) in pixels, channel 0 = x (right), 1 = y (down); a frame is (H, W), (H, W, 1) or
(H, W, 3), uint8. `limit`, above 0, is the value drawn at full strength, the same for all frames
that are to be compared; NaN is drawn as zero. `zoom` enlarges the drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from dmad.data.series import runs
from dmad.drawing.pictures import Pixels, Values
from dmad.errors import require

# Okabe and Ito's colours: apart for every kind of colour vision.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"


def timeline(
    scores: Values,
    labels: NDArray[Any] | None,
    terms: Mapping[str, Values],
    seconds: Values,
    threshold: float | None = None,
) -> Pixels:
    """Draw the score of every frame of a clip over time; frames without one leave a gap.

    Args:
        scores: (T,), larger is more anomalous.
        labels: (T,), above 0 where the ground truth is abnormal, which is shaded.
        terms: Parts of the score, (T,) each, at most 3, drawn below, each on its own range.
        seconds: (T,), when each frame was.
        threshold: Score from which a frame raises an alarm, drawn as a dashed line.
    """
    figure, axes = lay_out(9, [3, 1] if terms else [3], 1)
    alone = [a for a, b in runs(np.isfinite(scores)) if b - a == 1]  # which makes no line
    axes[0].plot(seconds, scores, color=BLUE, lw=1.5)
    axes[0].plot(seconds[alone], scores[alone], color=BLUE, ls="", marker=".")
    axes[0].set_ylabel("anomaly score")
    if threshold is not None:
        axes[0].axhline(threshold, color=RED, lw=1, ls="--", label="threshold")
        axes[0].legend(loc="upper right", fontsize=9)
    if terms:
        _draw_terms(axes[1], seconds, terms)
    for axis in axes:
        axis.set_xlim(0, max(seconds[-1], 1e-3))
        for run in [] if labels is None else runs(labels):
            edges = np.interp(np.array(run) - 0.5, np.arange(len(seconds)), seconds)
            axis.axvspan(*edges, color="#F6D5C3", lw=0)
    axes[-1].set_xlabel("time in seconds")
    return rendered(figure)


def curves(history: Mapping[str, Sequence[float]]) -> Pixels:
    """Draw each quantity of a training run per epoch, one small plot for each."""
    require(len(history) > 0, "history is empty; give one list of values a quantity")
    columns = min(3, len(history))
    figure, axes = lay_out(3 * columns, [2] * -(-len(history) // columns), columns)
    for axis, (name, values) in zip(axes, history.items(), strict=False):
        axis.plot(np.arange(1, len(values) + 1), values, color=BLUE, marker=".", lw=1.5)
        axis.set_title(name, loc="left", fontsize=10)
        axis.set_xlim(0.5, len(values) + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axis.yaxis.set_major_formatter("{x:g}")
    for axis in axes[len(history) :]:
        axis.remove()
    figure.supxlabel("epoch", fontsize=10)
    return rendered(figure)


def lay_out(width: float, heights: Sequence[float], columns: int) -> tuple[Figure, list[Axes]]:
    """Lay out axes in rows of the given heights, inches, read line by line."""
    figure = Figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    for axis in grid.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#E4E4E4")
    return figure, list(grid.flat)


def _draw_terms(axis: Axes, seconds: Values, terms: Mapping[str, Values]) -> None:
    for (name, values), color in zip(terms.items(), (ORANGE, GREEN, RED), strict=False):
        known = values[np.isfinite(values)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
        label = f"{name}, {low:.3g} to {high:.3g}"
        axis.plot(seconds, (values - low) / ((high - low) or 1), color=color, lw=1, label=label)
    axis.set(ylabel="terms", yticks=[])
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9)


def rendered(figure: Figure, dpi: int = 120) -> Pixels:
    """A figure as pixels, `dpi` an inch."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return np.array(Image.open(file).convert("RGB"))
