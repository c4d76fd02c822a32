"""Draws the results of a grid as a figure, in which every run is a dot."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dmad.drawing.charts import BLUE
from dmad.experiments.grid import Outcome
from dmad.files import write_atomically


def draw_grid(outcomes: Sequence[Outcome], titles: Sequence[str], path: Path) -> None:
    """Draw a figure, and write `path.png` (200 dpi) and `path.pdf`.

    The figure has a panel for each column, and a row for each variant. A dot is a run. A vertical
    line is the mean of a variant with several seeds.

    Args:
        outcomes: The runs. The first variant is at the top.
        titles: Titles of the columns to draw.
        path: Path of the files without their suffix.
    """
    variants = list(dict.fromkeys(one.variant for one in outcomes))
    size = (1.8 + 1.9 * len(titles), 0.9 + 0.3 * len(variants))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for panel, title in zip(panels, titles, strict=True):
        for position, variant in enumerate(variants):
            values = [one.values[title] for one in outcomes if one.variant == variant]
            _draw_runs(panel, position, values)
        _style(panel, title)
    panels[0].set_yticks(range(len(variants)), variants)
    panels[0].invert_yaxis()
    for suffix in ("png", "pdf"):
        file = BytesIO()
        figure.savefig(file, format=suffix, dpi=200)
        write_atomically(path.with_name(f"{path.name}.{suffix}"), file.getvalue())


def _draw_runs(panel: Axes, position: int, values: Sequence[float]) -> None:
    panel.scatter(values, [position] * len(values), s=24, color=BLUE, alpha=0.7, lw=0, zorder=3)
    if len(values) > 1:
        mean = float(np.mean(values))
        panel.vlines(mean, position - 0.3, position + 0.3, color="#333333", lw=1.2)


def _style(panel: Axes, title: str) -> None:
    panel.set_title(title, fontsize=9)
    panel.tick_params(labelsize=8, left=False)
    panel.xaxis.set_major_locator(MaxNLocator(3))
    panel.margins(x=0.15)
    panel.grid(color="#E4E4E4")
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
