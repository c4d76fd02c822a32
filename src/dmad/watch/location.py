"""Finds where in a frame an anomaly is, and which term of the score is larger."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import find_objects, label

from dmad.calibration.standardisation import Scorer
from dmad.inference.maps import averaged
from dmad.inference.streaming import JudgedFrame
from dmad.watch.messages import Box, Term

TOUCHING = np.ones((3, 3), int)  # pixels of a region touch at a side or a corner


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
    return term, box_of_maximum(averaged(maps[term], kernel)[0])


def box_of_maximum(anomaly: np.ndarray) -> Box:
    """Return the box of the region around the maximum of a map (H, W).

    In this region, the map is at least half of its maximum. The box is left, top, right and
    bottom, as shares of width and height.
    """
    height, width = anomaly.shape
    labels, _ = label(anomaly >= anomaly.max() / 2, TOUCHING)
    y, x = find_objects(labels)[labels.flat[anomaly.argmax()] - 1]
    return x.start / width, y.start / height, x.stop / width, y.stop / height
