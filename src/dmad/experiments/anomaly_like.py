"""Anomaly-like normals: normal images bent ever further, beside abnormal ones left as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dmad.config import Config
from dmad.data.splits import LabelledFootage
from dmad.evaluation.metrics import micro_auroc
from dmad.experiments.drawing import draw
from dmad.experiments.grid import Figure, Grid, Outcome, in_order, outcomes_in, write
from dmad.inference.detector import Detector, load
from dmad.model.deformation import grid_units, resize, warp

NAME = "anomaly-like"
BENDS = (0.0, 1.0, 2.0, 3.0)  # px
KNOTS = 4  # places each way at which a bend is drawn
BATCH = 64


def bent(images: np.ndarray, pixels: float, seed: int = 0) -> np.ndarray:
    """Images bent smoothly at random.

    Args:
        images: (N, S, S, C) uint8.
        pixels: Standard deviation of the displacement along each axis, at the knots.
        seed: Of the draw; another bend with the same seed has the same shape.

    Returns:
        As `images`.
    """
    random = torch.Generator().manual_seed(seed)
    knots = torch.randn(len(images), 2, KNOTS, KNOTS, generator=random)
    size = images.shape[1]
    field = resize(grid_units(pixels, size) * knots, (size, size))
    moved = warp(torch.from_numpy(images).permute(0, 3, 1, 2).float(), field)
    return moved.round().permute(0, 2, 3, 1).byte().numpy()


def anomaly_like(
    grid: Grid,
    cells: Sequence[tuple[str, Config, Path]],
    outcomes: Sequence[Outcome],
    test: LabelledFootage,
    out: Path,
) -> None:
    """AUROC of finished runs where the normal test images are bent; write table and figure.

    Runs judged by an earlier call stay in the table and are not judged again.

    Args:
        grid: That was run.
        cells: Variant, settings and folder of its runs.
        outcomes: Of these runs.
        test: Labelled single images.
        out: Folder for `anomaly-like.json`, `.csv`, `.md`, `.png` and `.pdf`.
    """
    known = {(one.variant, one.seed): one for one in outcomes}
    folders = {(title, config.train.seed): folder for title, config, folder in cells}
    kept = {(one.variant, one.seed): one for one in outcomes_in(out / f"{NAME}.json")}
    for which in (known.keys() & folders.keys()) - kept.keys():
        kept[which] = replace(known[which], figures=areas(load(folders[which]), test))
    judged = in_order(kept.values(), grid.variants)
    titles = list(judged[0].figures)
    of = Grid(NAME, grid.variants, [Figure(title, "", "", "") for title in titles])
    write(of, judged, out).show()
    draw(judged, titles, out / NAME)


def areas(detector: Detector, test: LabelledFootage) -> dict[str, float]:
    """AUROC of Eq. 14 by how far the normal images are bent, in [0, 1]."""
    assert test.labels is not None
    found = {}
    for pixels in BENDS:
        frames = np.array(test.footage.frames)
        normal = test.labels == 0
        frames[normal] = bent(frames[normal], pixels)
        parts = [part.columns()[0] for part in detector.explain(frames, batch=BATCH)]
        found[f"bent by {pixels:g} px"] = micro_auroc(np.concatenate(parts), test.labels)
    return found
