"""Finds where in a frame an anomaly is, and which term of the score is larger."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import label

from dmad.calibration.standardisation import Scorer
from dmad.evaluation.pixel_metrics import TOUCHING
from dmad.evaluation.region_metrics import boxes
from dmad.inference.streaming import JudgedFrame
from dmad.model.scoring import box_filter
from dmad.watch.messages import Box, Term


def locate(judged: JudgedFrame, scorer: Scorer, kernel: tuple[int, int]) -> tuple[Term, Box]:
    """Return the term that contributes more to a frame's score, and a box around its maximum.

    Args:
        judged: The scored frame.
        scorer: Standardises and weights the terms.
        kernel: Height and width in pixels over which the maps are averaged.
    """
    reconstruction = scorer.reconstruction(np.array(judged.reconstruction))
    deformation = scorer.weight * scorer.deformation(np.array(judged.deformation))
    term: Term = "deformation" if deformation > reconstruction else "reconstruction"
    maps = {
        "reconstruction": judged.batch.reconstruction_map,
        "deformation": judged.batch.deformation_map,
    }
    smooth = box_filter(torch.from_numpy(maps[term]), kernel)[0].numpy()
    return term, box_of_maximum(smooth)


def box_of_maximum(anomaly: np.ndarray) -> Box:
    """Return the box of the region around the maximum of a map (H, W).

    In this region, the map is at least half of its maximum. The box is left, top, right and
    bottom, as shares of width and height.
    """
    height, width = anomaly.shape
    labels, _ = label(anomaly >= anomaly.max() / 2, TOUCHING)
    region = labels.flat[anomaly.argmax()]
    top, left, bottom, right = boxes(labels)[region - 1].tolist()
    return left / width, top / height, right / width, bottom / height
