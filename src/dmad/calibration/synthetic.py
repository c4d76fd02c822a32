"""Scores of synthetic anomalies. They show which anomalies a threshold finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from dmad.calibration.alarms import AlarmShape, highest_alarm_level
from dmad.calibration.standardisation import Scorer
from dmad.checked_files import read_npz


@dataclass(frozen=True, eq=False)
class SyntheticTerms:
    """Raw score terms of S sequences of F frames. Each sequence contains one synthetic anomaly."""

    synthetic_reconstruction: np.ndarray  # (S, F) first term of Eq. 14 or 22
    synthetic_deformation: np.ndarray  # (S, F) second term before α
    kinds: np.ndarray  # (S,) such as "fast"
    plain: np.ndarray  # (S,) True if the anomaly is clearly visible

    @classmethod
    def read(cls, path: Path) -> SyntheticTerms | None:
        """Read the terms from a file. None: the file has no terms of synthetic anomalies.

        Raises:
            DmadError: The file is damaged.
        """
        names = [item.name for item in fields(cls)]
        found, _ = read_npz(path, names, "delete it and calibrate on normal footage again")
        return cls(**found) if len(found) == len(names) else None

    def to_dict(self) -> dict[str, np.ndarray]:
        """Return the arrays by their names, to be written into a file."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def levels(self, scorer: Scorer, shape: AlarmShape, fps: float) -> np.ndarray:
        """Return (S,): for each sequence, the highest threshold at which it raises an alarm.

        This is -inf for a sequence that raises no alarm at any threshold.
        """
        return np.array(
            [
                highest_alarm_level(scorer.score(first, second), shape, fps)
                for first, second in zip(
                    self.synthetic_reconstruction, self.synthetic_deformation, strict=True
                )
            ]
        )


def missed_kinds(synthetic: SyntheticTerms, found: np.ndarray) -> Sequence[str]:
    """Return the kinds of anomaly that are missed in more than half of their sequences.

    Args:
        synthetic: The sequences.
        found: (S,) True if a sequence raises an alarm.
    """
    kinds = sorted(set(synthetic.kinds.tolist()))
    return [kind for kind in kinds if found[synthetic.kinds == kind].mean() < 0.5]
