"""Feedback from clips: their alarm level, and the places where they are unusual."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
from scipy.ndimage import maximum_filter

from dmad.calibration.alarms import highest_alarm_level
from dmad.calibration.calibration import Calibration
from dmad.calibration.feedback import MARGIN
from dmad.calibration.normal_places import SIDE, NormalPlaces
from dmad.config import changed
from dmad.data.footage import Footage
from dmad.errors import DmadError
from dmad.files import temporary_array
from dmad.forms.video.evaluation import score_clips
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult

REACH = 1  # cells of the picture: things that come again are rarely at exactly the same place
SMALLEST = 1e-6  # level
STEP = 0.8  # factor by which the level falls at each try
TRIES = 20


def marked_places(detector: Detector, footage: Footage, calibration: Calibration) -> NormalPlaces:
    """Return the places of a calibration, and those at which clips raise alarms.

    A place gets the weight L / h, where h is the highest score of its surroundings in the clips. L
    is the threshold minus a margin of 5 %. Both have the unit of Eq. 14. If the clips still raise
    alarms, L falls in steps. Places with less than L keep their weight.

    Args:
        detector: The model.
        footage: Clips of one view in which everything is normal.
        calibration: The calibration of this view.

    Raises:
        DmadError: The clips raise alarms even with the smallest weights.
    """
    maps = temporary_array(footage.frames.shape[:3], np.float32)
    weighted = copy(detector)  # its maps have the weight of the deformation in the calibrated score
    weighted.config = changed(detector.config, alpha=calibration.scorer.alpha)
    if alarm_level(weighted, footage, calibration, maps) < calibration.threshold:
        return calibration.places
    goal = calibration.threshold - MARGIN * abs(calibration.threshold)
    surroundings = _surroundings(maps.max(0), detector.config.score.kernel)
    level = max(calibration.scorer.raw(goal), SMALLEST)
    for _ in range(TRIES):
        weights = level / np.maximum(surroundings, level)  # relative to the present ones
        places = NormalPlaces.from_weights(calibration.places.weights() * weights)
        if alarm_level(detector, footage, replace(calibration, places=places)) < goal:
            return places
        level *= STEP
    raise DmadError(
        "what was marked raises an alarm even if its places hardly count; leave only_here out, or "
        "exclude this part of the view"
    )


def alarm_level(
    detector: Detector,
    footage: Footage,
    calibration: Calibration,
    maps: np.ndarray | None = None,
) -> float:
    """Return the highest threshold at which clips raise an alarm.

    Args:
        detector: The model.
        footage: The clips.
        calibration: How to compute scores, and the part of the view that is scored.
        maps: Array (N, H, W) to write the score maps into, in the order of `footage.frames`.
    """
    results = score_clips(detector, footage, maps, calibration.zone, calibration.places)
    joined = AnomalyResult.join(results)
    lengths = np.array([clip.length for clip in footage.clips])
    scores = calibration.score(joined.reconstruction, joined.deformation, lengths)
    return highest_alarm_level(scores, calibration.shape, calibration.fps, lengths)


def _surroundings(highest: np.ndarray, kernel: tuple[int, int]) -> np.ndarray:
    """The highest value near each cell of the picture, (SIDE, SIDE), from values (H, W).

    The score of a place is a mean over the kernel. So all pixels that the kernel covers need a
    smaller weight.
    """
    size = len(highest)
    cell = -(-size // SIDE)
    reach = [length + 2 * REACH * cell for length in kernel]
    widened = maximum_filter(highest, reach)
    starts = np.arange(SIDE) * size // SIDE
    rows = np.maximum.reduceat(widened, starts, axis=0)
    cells: np.ndarray = np.maximum.reduceat(rows, starts, axis=1)
    return cells
