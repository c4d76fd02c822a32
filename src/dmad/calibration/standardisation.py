"""The calibrated score: the weighted sum of both terms, standardised on normal footage."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dmad.data.series import causal

SMALLEST_SCALE = 1e-3  # as a share of the centre

# Lower limit of the scale of the deformation, in grid units. A deformation of 0.02 px in an image
# of 128 px hardly changes a grey level.
SMALLEST_DEFORMATION_SCALE = 3e-4


@dataclass(frozen=True)
class Standardisation:
    """The median (centre) and the robust deviation (scale) with which a term is standardised."""

    centre: float  # median
    scale: float  # 1.4826 times the median absolute deviation, with a lower limit above 0

    @classmethod
    def fit(cls, values: np.ndarray, smallest_scale: float = 1e-9) -> Standardisation:
        """Return the standardisation of values (N,). NaN is left out.

        The scale is at least `smallest_scale` and at least `SMALLEST_SCALE` times the centre.
        """
        known = values[np.isfinite(values)]
        centre = float(np.median(known))
        spread = 1.4826 * float(np.median(np.abs(known - centre)))
        return cls(centre, max(spread, SMALLEST_SCALE * abs(centre), smallest_scale))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Subtract the centre from values and divide them by the scale."""
        return (values - self.centre) / self.scale


@dataclass(frozen=True)
class Scorer:
    """Computes the calibrated score from both raw terms.

    Args:
        reconstruction: Standardisation of the first term of Eq. 14 or 22.
        deformation: Standardisation of the second term of Eq. 14 or 22, before α.
        weight: Weight of the standardised deformation; the reconstruction has weight 1.
        window: Number of frames over which the weighted sum is averaged: a frame and the frames
            before it.
    """

    reconstruction: Standardisation
    deformation: Standardisation
    weight: float
    window: int = 1

    @classmethod
    def fit(
        cls, reconstruction: np.ndarray, deformation: np.ndarray, weight: float, window: int = 1
    ) -> Scorer:
        """Fit a scorer to the two raw terms of normal footage, each (N,). NaN is left out.

        Deformations that are too small to change an image are only noise. So the scale of the
        deformation has a lower limit. Without this limit, the noise would count more than the
        reconstruction.
        """
        return cls(
            reconstruction=Standardisation.fit(reconstruction),
            deformation=Standardisation.fit(deformation, SMALLEST_DEFORMATION_SCALE),
            weight=weight,
            window=window,
        )

    @property
    def alpha_per_weight(self) -> float:
        """The α of Eq. 14 and 22 (for raw terms) that has the same effect as a weight of 1."""
        return self.reconstruction.scale / self.deformation.scale

    @property
    def alpha(self) -> float:
        """The α of Eq. 14 and 22 (for raw terms) that has the same effect as the weight."""
        return self.weight * self.alpha_per_weight

    def raw(self, score: float) -> float:
        """Return the raw score (Eq. 14 or 22, with `alpha`) that gives a calibrated score.

        Smoothing is ignored.
        """
        centre = self.reconstruction.centre + self.alpha * self.deformation.centre
        return centre + score * self.reconstruction.scale

    def combine(self, reconstruction: np.ndarray, deformation: np.ndarray) -> np.ndarray:
        """Return the weighted sum (N,) of the standardised terms, before smoothing."""
        return self.reconstruction(reconstruction) + self.weight * self.deformation(deformation)

    def larger_part(self, reconstruction: np.ndarray, deformation: np.ndarray) -> str:
        """Return which term is the larger part of a score: "error" or "deformation".

        Args:
            reconstruction: (N,) raw first term of the frames that the score averages.
            deformation: (N,) raw second term of these frames.
        """
        first = self.reconstruction(reconstruction)
        second = self.weight * self.deformation(deformation)
        return "deformation" if np.nanmean(second) > np.nanmean(first) else "error"

    def score(
        self,
        reconstruction: np.ndarray,
        deformation: np.ndarray,
        clip_lengths: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the scores (N,) of clips. Larger is more anomalous; NaN if a term is NaN.

        Args:
            reconstruction: (N,) raw first term.
            deformation: (N,) raw second term.
            clip_lengths: (K,) number of frames of each clip; their sum is N. None: one clip.
        """
        return causal(self.combine(reconstruction, deformation), self.window, clip_lengths)

    def live(self) -> Callable[[float, float], float]:
        """Return a function for a live camera: it computes the score of each new frame.

        The arguments of the function are the raw reconstruction and deformation of the frame.
        """
        past: deque[float] = deque(maxlen=self.window)

        def next_score(reconstruction: float, deformation: float) -> float:
            past.append(float(self.combine(np.array(reconstruction), np.array(deformation))))
            return float(causal(np.array(past), self.window)[-1])

        return next_score
