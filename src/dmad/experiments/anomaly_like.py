"""Evaluation on normal test images that are deformed, so that they look more like anomalies.

The abnormal test images are not changed. The AUROC shows how well a model still separates normal
and abnormal images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dmad.api import load
from dmad.data.footage import LabelledFootage
from dmad.evaluation.metrics import micro_auroc
from dmad.experiments.grid import Column, Grid, Outcome, PlannedRun, read_outcomes, sort_outcomes
from dmad.experiments.grid_figure import draw_grid
from dmad.experiments.grid_table import write_grid_table
from dmad.experiments.tables import print_table
from dmad.inference.detector import Detector
from dmad.model.deformation import grid_units, resize, warp_pixels

NAME = "anomaly-like"
BENDS = (0.0, 1.0, 2.0, 3.0)  # standard deviation of the displacements in pixels
KNOTS = 4  # in each direction; each of the 4 x 4 knots gets a random displacement
BATCH = 64


def bend(images: np.ndarray, pixels: float, seed: int = 0) -> np.ndarray:
    """Deform images by a smooth random field.

    The field is random at 4 x 4 points (knots), and interpolated between these points.

    Args:
        images: (N, S, S, C) uint8.
        pixels: Standard deviation of the displacement in x and in y at the knots, in pixels.
        seed: Random seed. Fields with the same seed differ only in the length of their vectors.

    Returns:
        The deformed images, (N, S, S, C) uint8.
    """
    random = torch.Generator().manual_seed(seed)
    knots = torch.randn(len(images), 2, KNOTS, KNOTS, generator=random)
    size = images.shape[1]
    field = resize(grid_units(pixels, size) * knots, (size, size))
    return warp_pixels(torch.from_numpy(images), field).numpy()


def anomaly_like(
    grid: Grid,
    runs: Sequence[PlannedRun],
    outcomes: Sequence[Outcome],
    test: LabelledFootage,
    out: Path,
) -> None:
    """Evaluate finished runs on deformed normal images; print and write a table and a figure.

    Results of an earlier call stay in the table and are not computed again.

    Args:
        grid: The variants of the experiment.
        runs: The runs of these variants.
        outcomes: The outcomes of the runs.
        test: Labelled single images.
        out: Folder for `anomaly-like.json`, `.csv`, `.md`, `.png` and `.pdf`.
    """
    folders = {(run.variant, run.seed): run.folder for run in runs}
    results = {one.key: one for one in read_outcomes(out / f"{NAME}.json")}
    for one in outcomes:
        if one.key in folders and one.key not in results:
            results[one.key] = replace(one, values=auroc_by_bend(load(folders[one.key]), test))
    ordered = sort_outcomes(results.values(), grid.variants)
    columns = [Column(title, "", "", "") for title in ordered[0].values]
    bent_grid = Grid(NAME, grid.variants, columns)
    print_table(write_grid_table(bent_grid, ordered, out))
    draw_grid(ordered, bent_grid.titles, out / NAME)


def auroc_by_bend(detector: Detector, test: LabelledFootage) -> dict[str, float]:
    """Deform the normal images more and more, and return the AUROC (0 to 1) for each strength.

    The scores are those of Eq. 14. The keys are titles, such as "bent by 2 px".
    """
    assert test.labels is not None
    results = {}
    for pixels in BENDS:
        frames = np.array(test.footage.frames)
        normal = test.labels == 0
        frames[normal] = bend(frames[normal], pixels)
        scores = np.concatenate([judged.raw for judged in detector.judge(frames, batch=BATCH)])
        results[f"bent by {pixels:g} px"] = micro_auroc(scores, test.labels)
    return results
