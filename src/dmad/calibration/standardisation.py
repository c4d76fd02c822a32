"""The deployable score: the same in calibration, evaluation and live."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dmad.data.series import causal

FLOOR = 1e-3  # smallest scale, as a share of the centre

FAINT = 3e-4  # smallest scale of a deformation, grid units: 0.02 px of 128 hardly move a grey level


@dataclass(frozen=True)
class Standardisation:
    """Robust centre and scale of a term."""

    centre: float  # median
    scale: float  # 1.4826 median absolute deviations; at least `FLOOR` of the centre

    @classmethod
    def fit(cls, values: np.ndarray, least: float = 1e-9) -> Standardisation:
        """From values (N,), NaN left out, at least one; the scale is `least` or more."""
        seen = values[np.isfinite(values)]
        centre = float(np.median(seen))
        spread = 1.4826 * float(np.median(np.abs(seen - centre)))
        return cls(centre, max(spread, FLOOR * abs(centre), least))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """In units of the scale."""
        return (values - self.centre) / self.scale


@dataclass(frozen=True)
class Scorer:
    """The deployable score: both terms standardised on normal footage, summed, smoothed causally.

    Args:
        reconstruction: Of the first term of Eq. 14.
        deformation: Of its second, before α.
        weight: Of the deformation beside a reconstruction of weight 1.
        window: Frames of the past over which the sum is averaged, this one included.
    """

    reconstruction: Standardisation
    deformation: Standardisation
    weight: float
    window: int = 1

    @classmethod
    def fit(
        cls, reconstruction: np.ndarray, deformation: np.ndarray, weight: float, window: int = 1
    ) -> Scorer:
        """From both terms (N,) of normal footage; NaN are left out.

        Fields too short to move anything are no measurement: their spread, small as it is, must not
        become a unit, or noise would drown the reconstruction.
        """
        first, second = Standardisation.fit(reconstruction), Standardisation.fit(deformation, FAINT)
        return cls(first, second, weight, window)

    @property
    def unit(self) -> float:
        """The α of Eq. 14 and 22, on raw terms, that a weight of one is."""
        return self.reconstruction.scale / self.deformation.scale

    def combine(self, reconstruction: np.ndarray, deformation: np.ndarray) -> np.ndarray:
        """The standardised sum, (N,), before smoothing."""
        return self.reconstruction(reconstruction) + self.weight * self.deformation(deformation)

    def __call__(
        self,
        reconstruction: np.ndarray,
        deformation: np.ndarray,
        clip_lengths: np.ndarray | None = None,
    ) -> np.ndarray:
        """Scores (N,) of clips, larger = more anomalous; NaN where a term is.

        Args:
            reconstruction: (N,) raw.
            deformation: (N,) raw.
            clip_lengths: Frames of each clip, (K,), summing to N; one clip where None.
        """
        return causal(self.combine(reconstruction, deformation), self.window, clip_lengths)

    def live(self) -> Callable[[float, float], float]:
        """A function that takes both terms of one frame after another and gives its score."""
        past: deque[float] = deque(maxlen=self.window)

        def push(reconstruction: float, deformation: float) -> float:
            frame = self.combine(np.array([reconstruction]), np.array([deformation]))
            past.append(float(frame[0]))
            return float(causal(np.array(past), self.window)[-1])

        return push
