"""Results of a detector: scored frames with their maps, and the scores of a whole clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.inference.backend import SCORES_AND_MAPS, LazyArrays

ROWS_PRINTED = 20
RELEASED = ("deformation", "reconstruction", "gradient")  # scores of the released code


@dataclass(frozen=True, eq=False)
class JudgedFrames:
    """A batch of B scored frames or images. A larger score is more anomalous."""

    index: NDArray[np.int64]  # (B,): position of each frame in its clip
    frames: NDArray[np.uint8]  # (B, H, W, C): the scored frames
    raw: NDArray[np.float64]  # (B,): raw score, Eq. 14 or 22
    reconstruction: NDArray[np.float64]  # (B,): first term of the score
    deformation: NDArray[np.float64]  # (B,): second term of the score, without α
    released: dict[str, NDArray[np.float64]]  # (B,) each, by the names `RELEASED`; {} for images
    reconstruction_map: NDArray[np.float32]  # (B, H, W): Eq. 12 or 20
    deformation_map: NDArray[np.float32]  # (B, H, W): Eq. 13 or 21; grid units
    drawings: Mapping[str, np.ndarray]  # (B, ...) each: only for pictures, see `Form.outputs`

    @classmethod
    def from_outputs(
        cls, index: np.ndarray, frames: np.ndarray, outputs: Mapping[str, np.ndarray]
    ) -> JudgedFrames:
        """Return scored frames, made from the output of a `Backend`."""
        raw, reconstruction, deformation, *released = outputs["terms"].T.astype(np.float64)
        drawings = [name for name in outputs if name not in SCORES_AND_MAPS]
        return cls(
            index=index,
            frames=frames,
            raw=raw,
            reconstruction=reconstruction,
            deformation=deformation,
            released=dict(zip(RELEASED, released, strict=False)),
            reconstruction_map=outputs["reconstruction_map"],
            deformation_map=outputs["deformation_map"],
            drawings=LazyArrays(drawings, outputs.__getitem__),
        )

    def frame(self, row: int) -> JudgedFrames:
        """Return one frame as a batch of one."""
        one = slice(row, row + 1)
        return JudgedFrames(
            index=self.index[one],
            frames=self.frames[one],
            raw=self.raw[one],
            reconstruction=self.reconstruction[one],
            deformation=self.deformation[one],
            released={name: values[one] for name, values in self.released.items()},
            reconstruction_map=self.reconstruction_map[one],
            deformation_map=self.deformation_map[one],
            drawings=LazyArrays(self.drawings, lambda name: self.drawings[name][one]),
        )


@dataclass(frozen=True, eq=False)
class AnomalyResult:
    """Scores of a clip of N frames, or of N images. A larger score is more anomalous.

    A score needs T past frames, so the scores of the first T frames of a clip are NaN.
    `calibrated`, `alarm` and `verdict` are None without a threshold.
    """

    raw: NDArray[np.float64]  # (N,): raw score, Eq. 14 or 22
    reconstruction: NDArray[np.float64]  # (N,): first term of the score
    deformation: NDArray[np.float64]  # (N,): second term of the score, without α
    released: dict[str, NDArray[np.float64]]  # (N,) each, by the names `RELEASED`; {} for images
    calibrated: NDArray[np.float64] | None = None  # (N,): to compare with the threshold
    alarm: NDArray[np.bool_] | None = None  # (N,), of video: True for the frames of an event
    verdict: NDArray[np.str_] | None = None  # (N,), of images: "good" or "anomalous"

    @property
    def score(self) -> NDArray[np.float64]:
        """(N,): the calibrated score if a threshold was set, else the raw score."""
        return self.raw if self.calibrated is None else self.calibrated

    def __str__(self) -> str:
        """A table with a row for each frame or image, at most `ROWS_PRINTED`."""
        names = ("score", "raw", "reconstruction", "deformation", "alarm", "verdict")
        columns = {name: values for name in names if (values := getattr(self, name)) is not None}
        if self.calibrated is None:
            del columns["score"]  # it is the raw score
        lines = ["   row" + "".join(f"{name:>16}" for name in columns)]
        for row in range(min(len(self.raw), ROWS_PRINTED)):
            lines.append(f"{row:6}" + "".join(_cell(values[row]) for values in columns.values()))
        more = len(self.raw) - ROWS_PRINTED
        return "\n".join(lines + [f"and {more} more rows"] * (more > 0))

    @classmethod
    def from_batches(cls, batches: Iterable[JudgedFrames], history: int) -> AnomalyResult:
        """Return the raw scores of one clip.

        Args:
            batches: Its scored frames, at least one batch. Only the scores are kept.
            history: Number of frames before the first scored one, T. Their scores are NaN.
        """
        parts = [
            cls(batch.raw, batch.reconstruction, batch.deformation, batch.released)
            for batch in batches
        ]
        none = np.full(history, np.nan)
        unscored = cls(none, none, none, dict.fromkeys(parts[0].released, none))
        return cls.join([unscored, *parts])

    @classmethod
    def join(cls, results: Sequence[AnomalyResult]) -> AnomalyResult:
        """Return the raw scores of several clips, one after another."""
        return cls(
            raw=np.concatenate([result.raw for result in results]),
            reconstruction=np.concatenate([result.reconstruction for result in results]),
            deformation=np.concatenate([result.deformation for result in results]),
            released={
                name: np.concatenate([result.released[name] for result in results])
                for name in results[0].released
            },
        )

    def highest_of(self, tiles: int, alpha: float) -> AnomalyResult:
        """Return one score for each image, from the highest terms of its tiles.

        Args:
            tiles: Number of tiles of an image. They follow each other.
            alpha: α of Eq. 22.
        """
        if tiles == 1:
            return self
        reconstruction = self.reconstruction.reshape(-1, tiles).max(1)
        deformation = self.deformation.reshape(-1, tiles).max(1)
        return AnomalyResult(reconstruction + alpha * deformation, reconstruction, deformation, {})

    def with_threshold(
        self, calibration: Calibration, judges: Literal["frames", "images"]
    ) -> AnomalyResult:
        """Return the result of one clip with calibrated scores, and with alarms or verdicts.

        Args:
            calibration: The threshold.
            judges: "frames" sets `alarm`, "images" sets `verdict`.
        """
        calibrated = calibration.score(self.reconstruction, self.deformation)
        if judges == "frames":
            return replace(self, calibrated=calibrated, alarm=calibration.alarm(calibrated))
        anomalous = calibrated >= calibration.threshold
        return replace(
            self, calibrated=calibrated, verdict=np.where(anomalous, "anomalous", "good")
        )


def _cell(value: np.generic) -> str:
    """A number with four digits or another value, as text of 16 characters."""
    return f"{value:16.4g}" if isinstance(value, np.floating) else f"{value!s:>16}"
