"""Finds where in a frame an anomaly is, and which term of the score is larger."""

from __future__ import annotations

import numpy as np

from dmad.calibration.standardisation import Scorer
from dmad.inference.maps import averaged, box_of_maximum
from dmad.inference.streaming import JudgedFrame
from dmad.watch.messages import Box, Term


def locate(judged: JudgedFrame, scorer: Scorer, kernel: tuple[int, int]) -> tuple[Term, Box]:
    """Return the larger term of a frame's score, and a box around the maximum of this term's map.

    Args:
        judged: The scored frame.
        scorer: Standardises and weights the terms.
        kernel: Height and width in pixels over which the maps are averaged.
    """
    larger = scorer.larger_part(np.array(judged.reconstruction), np.array(judged.deformation))
    term: Term = "deformation" if larger == "deformation" else "reconstruction"
    maps = {
        "reconstruction": judged.batch.reconstruction_map,
        "deformation": judged.batch.deformation_map,
    }
    return term, box_of_maximum(averaged(maps[term], kernel)[0])
