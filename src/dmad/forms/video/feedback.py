"""Feedback from clips that a user marked as normal.

This module finds the highest threshold at which these clips raise alarms, or the places of the view
where they raise alarms. Then the threshold is set higher, or scores count less at these places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter

from dmad.calibration.alarms import highest_alarm_level
from dmad.calibration.calibration import Calibration
from dmad.calibration.feedback import MARGIN
from dmad.calibration.normal_places import SIDE, NormalPlaces
from dmad.console import progress_bar
from dmad.data.footage import Footage
from dmad.errors import DmadError
from dmad.files import temporary_array
from dmad.forms.video.evaluation import score_clips
from dmad.inference.detector import Detector
from dmad.inference.maps import averaged
from dmad.inference.result import AnomalyResult, JudgedFrames

REACH = 1  # cells around a place that are marked too: a thing rarely comes back to the same place
SMALLEST = 1e-6  # smallest level L in `ClipMaps.marked_places`
STEP = 0.8  # factor by which L falls at each try
TRIES = 20  # values of L


def marked_places(detector: Detector, footage: Footage, calibration: Calibration) -> NormalPlaces:
    """Return the normal places of a calibration, plus the places where clips raise alarms.

    Scores count less at normal places. `ClipMaps.marked_places` describes the weights of places.

    Args:
        detector: The model.
        footage: Clips of one view in which everything is normal.
        calibration: The calibration of this view.

    Raises:
        DmadError: The clips raise alarms even with the smallest weights.
    """
    return ClipMaps.from_footage(detector, footage).marked_places(calibration)


def alarm_level(detector: Detector, footage: Footage, calibration: Calibration) -> float:
    """Return the highest threshold at which at least one of the clips raises an alarm.

    Args:
        detector: The model.
        footage: The clips.
        calibration: Says how scores are computed, and which part of the view is scored.
    """
    results = score_clips(detector, footage, zone=calibration.zone, places=calibration.places)
    return _level(results, calibration)


@dataclass(frozen=True, eq=False)
class ClipMaps:
    """The score maps of clips.

    At normal places, scores are multiplied by weights. The maps are kept to compute the scores
    again with other weights, without running the network again. The maps are in temporary files,
    because the maps of long clips are large.
    """

    detector: Detector
    clips: Sequence[Sequence[JudgedFrames]]  # the scored frames of each clip

    @classmethod
    def from_footage(cls, detector: Detector, footage: Footage, batch: int = 8) -> ClipMaps:
        """Score clips, `batch` frames at a time."""
        shape = footage.frames.shape[:3]
        maps = temporary_array(shape, np.float32), temporary_array(shape, np.float32)
        clips = []
        for clip in progress_bar(footage.clips, "scoring"):
            batches = []
            for judged in detector.judge(footage.frames[clip.span], clip.scene, batch):
                first = clip.start + int(judged.index[0])
                span = slice(first, first + len(judged.index))
                maps[0][span], maps[1][span] = judged.reconstruction_map, judged.deformation_map
                stored = replace(
                    judged,
                    frames=footage.frames[span],
                    reconstruction_map=maps[0][span],
                    deformation_map=maps[1][span],
                    drawings={},
                )
                batches.append(stored)
            clips.append(batches)
        return cls(detector, clips)

    def alarm_level(self, calibration: Calibration) -> float:
        """Return the highest threshold at which at least one of the clips raises an alarm."""
        history = self.detector.config.data.history
        results = [
            AnomalyResult.from_batches((self._weighted(one, calibration) for one in clip), history)
            for clip in self.clips
        ]
        return _level(results, calibration)

    def marked_places(self, calibration: Calibration) -> NormalPlaces:
        """Return the normal places of a calibration, plus the places where the clips raise alarms.

        Scores at a place are multiplied by the weight of the place. Let h be the highest score near
        a place in the clips, and L the threshold minus a margin of 5 %, both as raw scores (Eq.
        14). Where h > L, the weight of the place is multiplied by L / h. If the clips still raise
        alarms, L falls in steps.

        Args:
            calibration: The calibration of the view of the clips.

        Raises:
            DmadError: The clips raise alarms even with the smallest weights.
        """
        if self.alarm_level(calibration) < calibration.threshold:
            return calibration.places
        goal = calibration.threshold - MARGIN * abs(calibration.threshold)
        kernel = self.detector.config.score.kernel
        surroundings = _surroundings(self.highest(calibration), kernel)
        level = max(calibration.scorer.raw(goal), SMALLEST)
        for _ in range(TRIES):
            factors = level / np.maximum(surroundings, level)
            places = NormalPlaces.from_weights(calibration.places.weights() * factors)
            if self.alarm_level(replace(calibration, places=places)) < goal:
                return places
            level *= STEP
        raise DmadError(
            "what was marked raises an alarm even if its places hardly count; leave only_here out, "
            "or exclude this part of the view"
        )

    def highest(self, calibration: Calibration) -> np.ndarray:
        """Return the highest score that each pixel has in any frame of the clips, (H, W).

        The score of a pixel is the weighted sum in Eq. 14 at this pixel. The weight α is the weight
        that the deformation has in the calibrated score.
        """
        kernel, alpha = self.detector.config.score.kernel, calibration.scorer.alpha
        highest: np.ndarray = np.array(-np.inf, np.float32)
        for clip in self.clips:
            for batch in clip:
                judged = self._weighted(batch, calibration)
                maps = judged.reconstruction_map + alpha * judged.deformation_map
                highest = np.maximum(highest, averaged(maps, kernel).max(0))
        return highest

    def _weighted(self, judged: JudgedFrames, calibration: Calibration) -> JudgedFrames:
        return self.detector.inside(calibration.zone, judged, calibration.places)


def _level(results: Sequence[AnomalyResult], calibration: Calibration) -> float:
    """The highest threshold at which at least one of the scored clips raises an alarm."""
    joined = AnomalyResult.join(results)
    lengths = np.array([len(result.raw) for result in results])
    scores = calibration.score(joined.reconstruction, joined.deformation, lengths)
    return highest_alarm_level(scores, calibration.shape, calibration.fps, lengths)


def _surroundings(highest: np.ndarray, kernel: tuple[int, int]) -> np.ndarray:
    """Return the highest value in and near each cell of a grid over the view, (SIDE, SIDE).

    `ClipMaps.marked_places` computes a weight for each cell from this value. Values near the cell
    are included, because the score of a pixel is a mean over the averaging kernel around it. So a
    high score falls only if the cells around the pixel get a smaller weight as well.

    Args:
        highest: Highest score of each pixel, (H, W).
        kernel: Height and width of the kernel in pixels.
    """
    size = len(highest)
    cell = -(-size // SIDE)
    reach = [length + 2 * REACH * cell for length in kernel]
    widened = maximum_filter(highest, reach)
    starts = np.arange(SIDE) * size // SIDE
    rows = np.maximum.reduceat(widened, starts, axis=0)
    cells: np.ndarray = np.maximum.reduceat(rows, starts, axis=1)
    return cells
