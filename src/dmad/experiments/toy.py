"""The toy of Sec. 4.2: odd digits are normal, even ones are not; three models, and Fig. 6."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dmad.config import Config, changed
from dmad.data.splits import LabelledFootage, load_split
from dmad.drawing import pictures as visualize
from dmad.evaluation.result import RAW
from dmad.experiments.ablation import undeformed
from dmad.experiments.anomaly_like import anomaly_like
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Figure, Grid, Outcome, run_grid
from dmad.forms.video.pictures import stages
from dmad.inference.detector import Detector, Explained, load
from dmad.runs import has_model, read_config

SHOWN = 10  # one digit a class
NAMES = ("normal", "abnormal")  # of the labels
AUROC = Figure("AUROC (Eq. 14)", "deployable", RAW, "micro_AUROC")


def variants(config: Config) -> dict[str, Config]:
    """The three models of Fig. 6: memory alone, with full skips, with deformation."""
    plain = undeformed(config)
    return {"Mem only": plain, "+Skip": changed(plain, skips="full"), "+PDM": config}


def toy(config: Config, out: Path, effort: Effort | None = None) -> list[Outcome]:
    """Train and judge the three variants; write table and figure of the grid, and `fig6.png`.

    Where the test images have labels, the normal ones are also bent and judged again.

    Args:
        config: Recipe `digits` or `mnist`.
        out: Where runs, table and pictures go.
        effort: How much of it; one seed, in full, where None. Fig. 6 shows the first seed.
    """
    effort = effort or Effort()
    grid = Grid("toy", variants(config), [AUROC])
    outcomes = run_grid(grid, out, effort)
    cells = [*effort.cells(grid.variants, out)]
    folders = {title: folder for title, _, folder in reversed(cells)}
    if all(map(has_model, folders.values())):
        test = load_split(read_config(folders["+PDM"]).data, "test")
        if test.labels is not None:
            anomaly_like(grid, cells, outcomes, test, out)
        chosen = pick(test)
        examples = test.footage.frames[chosen]
        shown = {title: show(load(folders[title]), examples) for title in grid.variants}
        visualize.save(figure(shown, titles(test, chosen)), out / "fig6.png")
    return outcomes


def pick(test: LabelledFootage) -> np.ndarray:
    """Ten test images, spread evenly over the classes, normal ones first: (10,) indices."""
    unknown = np.zeros(len(test.footage.frames))
    labels, classes = (unknown if x is None else x for x in (test.labels, test.classes))
    order = np.lexsort((classes, labels))
    middles = (np.arange(SHOWN) + 0.5) / SHOWN
    return np.asarray(order[(middles * len(order)).astype(int)])


def titles(test: LabelledFootage, chosen: np.ndarray) -> list[str]:
    """Class and label of test images, as far as they are known."""
    classes = [""] * len(chosen) if test.classes is None else test.classes[chosen]
    labels = None if test.labels is None else test.labels[chosen]
    kinds = ["no labels"] * len(chosen) if labels is None else np.choose(labels, NAMES)
    return [f"{name}\n{kind}".strip() for name, kind in zip(classes, kinds, strict=True)]


def show(detector: Detector, examples: np.ndarray) -> Explained:
    """What a model makes of the examples."""
    return next(detector.explain(examples, batch=len(examples)))


def figure(shown: Mapping[str, Explained], titles: list[str]) -> np.ndarray:
    """Fig. 6: the input, what models make of it, and of the last all stages of deformation.

    Args:
        shown: What each model makes of the same images, by its name; empty for a single one.
        titles: Of the images.
    """
    *plain, (last, deformed) = shown.items()
    rows = {"input": list(deformed.frames)}
    for name, one in plain:
        rows[name] = list(stages(one).values())[-1]
    rows |= {f"{last}\n{name}".strip(): row for name, row in stages(deformed).items()}
    return visualize.panel(list(rows.values()), titles, list(rows))
