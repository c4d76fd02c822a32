"""Places of a view where something unusual was marked as normal. Scores count less there."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Self

import numpy as np

from dmad.errors import DmadError, require

SIDE = 32  # height and width of the picture of weights
FULL = 255  # weight 1 in this picture
SMALLEST_WEIGHT = 1e-3  # lower limit in a division
MOST_SHARE = 0.5  # of the view: to lose sensitivity in a larger part needs `force`
MOST_FACTOR = 2.0  # by which an anomaly must be stronger: a larger factor needs `force`


@dataclass(frozen=True)
class NormalPlaces:
    """Weights of the places of a view: below 1 where something was marked as normal.

    The view is divided into `SIDE` x `SIDE` places. A frame has a score map of the reconstruction
    and a score map of the deformation. Each score map is multiplied by the weights.

    Args:
        picture: Base64 of `SIDE` x `SIDE` bytes, row by row. Each byte is 255 times the weight of a
            place. A weight is from 0 to 1. Empty: all places have the weight 1.
    """

    picture: str = ""

    @classmethod
    def from_weights(cls, weights: np.ndarray) -> Self:
        """Return the object for weights (SIDE, SIDE), each from 0 to 1.

        The weights are rounded down to multiples of 1/255.
        """
        steps = np.floor(FULL * np.clip(weights, 0, 1)).astype(np.uint8)
        return cls("" if (steps == FULL).all() else b64encode(steps.tobytes()).decode())

    def __post_init__(self) -> None:
        self._steps()

    def __bool__(self) -> bool:
        """True if a place has a weight below 1."""
        return bool(self.picture)

    def weights(self, size: int = SIDE) -> np.ndarray:
        """Return the weights, resized to an array (size, size) of float32."""
        places = (np.arange(size) + 0.5) * SIDE / size
        steps = self._steps()[np.ix_(places.astype(int), places.astype(int))]
        weights: np.ndarray = np.divide(steps, FULL, dtype=np.float32)
        return weights

    def _steps(self) -> np.ndarray:
        """Return the bytes of the picture, (SIDE, SIDE) uint8: 255 times the weights.

        Raises:
            DmadError: The picture is damaged.
        """
        if not self.picture:
            return np.full((SIDE, SIDE), FULL, np.uint8)
        try:
            steps = np.frombuffer(b64decode(self.picture, validate=True), np.uint8)
        except ValueError as error:
            raise DmadError("the picture of normal places is damaged; calibrate again") from error
        whole = steps.size == SIDE**2
        require(
            whole,
            f"the picture of normal places has {steps.size} values, not {SIDE**2}; calibrate again",
        )
        return steps.reshape(SIDE, SIDE)


NOWHERE = NormalPlaces()  # nothing was marked as normal


@dataclass(frozen=True)
class LostSensitivity:
    """The part of a view in which, after a change, only stronger anomalies raise an alarm."""

    share: float  # of the view, from 0 to 1
    factor: float  # an anomaly must be up to this much stronger
    centre: tuple[float, float]  # x and y of the centre of its least sensitive places, 0 to 1


def lost_sensitivity(before: NormalPlaces, after: NormalPlaces) -> LostSensitivity | None:
    """Return the part of a view with a lower weight in `after` than in `before`.

    None: no place has a lower weight.
    """
    old, new = before.weights(), after.weights()
    changed = new < old
    if not changed.any():
        return None
    factors = old[changed] / np.maximum(new[changed], SMALLEST_WEIGHT)
    loss = np.where(changed, 1 - new / np.maximum(old, SMALLEST_WEIGHT), 0)
    y, x = (np.mean(np.nonzero(loss >= loss.max() / 2), 1) + 0.5) / SIDE
    return LostSensitivity(float(changed.mean()), float(factors.max()), (float(x), float(y)))


def require_small_loss(before: NormalPlaces, after: NormalPlaces, force: bool = False) -> None:
    """Check that a change of weights does not make a view much less sensitive to anomalies.

    Args:
        before: The places before a change.
        after: The places after the change.
        force: The loss may be larger than `MOST_SHARE` and `MOST_FACTOR`.

    Raises:
        DmadError: The loss is larger, and `force` is False.
    """
    lost = lost_sensitivity(before, after)
    if force or lost is None:
        return
    require(
        lost.share <= MOST_SHARE and lost.factor <= MOST_FACTOR,
        f"to silence this, an anomaly must be up to {lost.factor:.1f} times stronger in "
        f"{lost.share:.0%} of the view, which would hide other anomalies too; exclude this part of "
        "the view, raise the threshold instead, or use --force",
    )
