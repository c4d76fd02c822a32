"""The result of an evaluation: the ledger and the scores of a model on a test split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmad.calibration.calibration import Calibration
from dmad.evaluation.ledger import Ledger
from dmad.evaluation.score_file import ScoreSet

# Names of the signals of video.
CALIBRATED = "standardised, causal"  # the signal that has a threshold
RAW, RAW_12, RAW_13 = "Eq. 14 raw", "Eq. 12 alone, raw", "Eq. 13 alone, raw"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of a model on a test split of N frames or images."""

    ledger: Ledger
    scores: ScoreSet  # every channel
    deployable: dict[str, np.ndarray]  # (N,) each: signals of the block `deployable`, by name
    calibration: Calibration | None

    @property
    def signal(self) -> str:
        """Name of the main score: the calibrated score if it exists, else the raw score."""
        return next(iter(self.deployable))
