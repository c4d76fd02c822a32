"""The figure of a grid: every run a dot, for the page and for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dmad.drawing.charts import BLUE
from dmad.files import write_whole

if TYPE_CHECKING:
    from dmad.experiments.grid import Outcome


def draw(outcomes: Sequence[Outcome], titles: Sequence[str], path: Path) -> None:
    """`path.png` (200 dpi) and `path.pdf`: a panel a figure, a line a variant, a dot a seed.

    A bar marks the mean of several seeds.

    Args:
        outcomes: As the table has them, first on top.
        titles: Of the figures to show.
        path: Without its suffix.
    """
    names = list(dict.fromkeys(one.variant for one in outcomes))
    figure = Figure(figsize=(1.8 + 1.9 * len(titles), 0.9 + 0.3 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for panel, title in zip(panels, titles, strict=True):
        for row, name in enumerate(names):
            values = [one.figures[title] for one in outcomes if one.variant == name]
            panel.scatter(values, [row] * len(values), s=24, color=BLUE, alpha=0.7, lw=0, zorder=3)
            if len(values) > 1:
                panel.vlines(np.mean(values), row - 0.3, row + 0.3, color="#333333", lw=1.2)
        panel.set_title(title, fontsize=9)
        panel.tick_params(labelsize=8, left=False)
        panel.xaxis.set_major_locator(MaxNLocator(3))
        panel.margins(x=0.15)
        panel.grid(color="#E4E4E4")
        panel.set_axisbelow(True)
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    for suffix in ("png", "pdf"):
        file = BytesIO()
        figure.savefig(file, format=suffix, dpi=200)
        write_whole(path.with_name(f"{path.name}.{suffix}"), file.getvalue())
