"""The toy of Sec. 4.2: odd digits are normal, even ones are not; three models, and Fig. 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from dmad import visualize
from dmad.categories import finished
from dmad.config import Config
from dmad.data.load import LabelledFootage, load_split
from dmad.evaluation.result import RAW
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Figure, Grid, Outcome, run_grid
from dmad.inference.detector import Detector, Explained, load
from dmad.inference.explain import to_image
from dmad.nn.pdm import PDMOutput

SHOWN = 10  # one digit a class
AUROC = Figure("AUROC (Eq. 14)", "deployable", RAW, "micro_AUROC")


def variants(config: Config) -> dict[str, Config]:
    """The three models of Fig. 6: memory alone, with full skips, with deformation."""
    model = config.model
    plain = replace(model, reductions=(), displacements=())
    return {
        "Mem only": replace(config, model=plain),
        "+Skip": replace(config, model=replace(plain, skips="full")),
        "+PDM": config,
    }


def toy(config: Config, out: Path, effort: Effort | None = None) -> list[Outcome]:
    """Train and judge the three variants; write table and figure of the grid, and `fig6.png`.

    Args:
        config: Recipe `digits` or `mnist`.
        out: Where runs, table and pictures go.
        effort: How much of it; one seed, in full, where None. Fig. 6 shows the first seed.
    """
    effort = effort or Effort()
    grid = Grid("toy", variants(config), [AUROC])
    outcomes = run_grid(grid, out, effort)
    folders = {title: folder for title, _, folder in reversed([*effort.cells(grid.variants, out)])}
    if all(map(finished, folders.values())):
        examples = pick(config, load_split(config.data, "test"))
        shown = [show(load(folders[title]), examples) for title in grid.variants]
        visualize.save(figure(shown), out / "fig6.png")
    return outcomes


def pick(config: Config, test: LabelledFootage) -> np.ndarray:
    """Five normal and five abnormal test images, spread evenly: (10, H, W, C)."""
    assert test.labels is not None
    half = SHOWN // 2
    kinds = [np.flatnonzero(test.labels == kind) for kind in (0, 1)]
    chosen = [kind[np.linspace(0, len(kind) - 1, half).astype(int)] for kind in kinds]
    return np.asarray(test.footage.frames[np.concatenate(chosen)])


def show(detector: Detector, examples: np.ndarray) -> Explained:
    """What a model makes of the examples."""
    return next(detector.explain(examples, batch=len(examples)))


def figure(shown: Sequence[Explained]) -> np.ndarray:
    """Fig. 6: the input, what memory and skips make of it, and the stages of the deformation."""
    memory, skip, deformed = (cast(PDMOutput, one.output) for one in shown)
    rows = [
        list(shown[0].frames),
        [to_image(x) for x in memory.reconstructions[-1]],
        [to_image(x) for x in skip.reconstructions[-1]],
        [to_image(x) for x in deformed.reference],
        *([to_image(x) for x in stage] for stage in deformed.reconstructions),
    ]
    names = ["input", "Mem only", "+Skip", "+PDM\nreference", "+PDM\ncoarse", "+PDM\nfine"]
    half = SHOWN // 2
    titles = ["normal"] * half + ["abnormal"] * half
    return visualize.panel(rows, titles, names[: len(rows)])
