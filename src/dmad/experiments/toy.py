"""The toy experiment of Sec. 4.2: odd digits are normal, even digits are abnormal; draws Fig. 6."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dmad.api import load
from dmad.config import TrainedConfig, changed
from dmad.data.footage import LabelledFootage
from dmad.data.splits import load_split
from dmad.drawing import pictures as drawing
from dmad.evaluation.result import RAW
from dmad.experiments.ablation import without_deformation
from dmad.experiments.anomaly_like import anomaly_like
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Column, Grid, Outcome
from dmad.experiments.run_grid import run_grid
from dmad.forms.video.pictures import stages
from dmad.inference.detector import Detector
from dmad.inference.result import JudgedFrames
from dmad.runs import has_model, read_config

SHOWN = 10  # one digit of each class
LABELS = ("normal", "abnormal")  # names of the labels 0 and 1
AUROC = Column("AUROC (Eq. 14)", "deployable", RAW, "micro_AUROC")


def variants(config: TrainedConfig) -> dict[str, TrainedConfig]:
    """Return the settings of the three models of Fig. 6, by title.

    The models are a memory without skip connections, a memory with full skip connections, and PDM.
    """
    plain = without_deformation(config)
    return {"Mem only": plain, "+Skip": changed(plain, skips="full"), "+PDM": config}


def toy(config: TrainedConfig, out: Path, effort: Effort | None = None) -> list[Outcome]:
    """Train and evaluate the three variants; write a table, a figure and `fig6.png`.

    If the test images have labels, the models are also evaluated on deformed normal images.

    Args:
        config: Recipe `digits` or `mnist`.
        out: Folder for runs, tables and pictures.
        effort: The seeds, epochs, size and variants to run. None: the seed, epochs and size of
            `config`. Fig. 6 shows the first seed.
    """
    effort = effort or Effort()
    grid = Grid("toy", variants(config), [AUROC])
    outcomes = run_grid(grid, out, effort)
    runs = effort.runs(grid.variants, out)
    first_seed = {run.variant: run.folder for run in reversed(runs)}
    if all(has_model(folder) for folder in first_seed.values()):
        test = load_split(read_config(first_seed["+PDM"]).data, "test")
        if test.labels is not None:
            anomaly_like(grid, runs, outcomes, test, out)
        chosen = choose_examples(test)
        examples = test.footage.frames[chosen]
        judged = {
            title: judge_examples(load(first_seed[title]), examples) for title in grid.variants
        }
        drawing.save_png(draw_fig6(judged, example_titles(test, chosen)), out / "fig6.png")
    return outcomes


def choose_examples(test: LabelledFootage) -> np.ndarray:
    """Return the indices (10,) of test images, spread over the classes. Normal images are first."""
    unknown = np.zeros(len(test.footage.frames))
    labels = unknown if test.labels is None else test.labels
    classes = unknown if test.classes is None else test.classes
    order = np.lexsort((classes, labels))
    middles = (np.arange(SHOWN) + 0.5) / SHOWN
    return np.asarray(order[(middles * len(order)).astype(int)])


def example_titles(test: LabelledFootage, chosen: np.ndarray) -> list[str]:
    """Return titles of test images: class and label, if known."""
    titles = []
    for index in chosen:
        name = "" if test.classes is None else test.classes[index]
        label = "no labels" if test.labels is None else LABELS[test.labels[index]]
        titles.append(f"{name}\n{label}".strip())
    return titles


def judge_examples(detector: Detector, examples: np.ndarray) -> JudgedFrames:
    """Score all examples in one batch."""
    return next(detector.judge(examples, batch=len(examples)))


def draw_fig6(shown: Mapping[str, JudgedFrames], titles: list[str]) -> np.ndarray:
    """Draw Fig. 6: the images, and their reconstruction by each model.

    For the last model, the reference and the result of each deformation are drawn.

    Args:
        shown: Results for the same images, by the name of the model. If there is only one model,
            its name is empty.
        titles: Titles of the images.
    """
    *plain, (last, deformed) = shown.items()
    rows = {"input": list(deformed.frames)}
    for name, judged in plain:
        rows[name] = list(stages(judged).values())[-1]
    for stage, row in stages(deformed).items():
        rows[f"{last}\n{stage}".strip()] = row
    return drawing.panel(list(rows.values()), titles, list(rows))
