"""Results of a detector: scored frames with their maps, and the scores of a whole clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.errors import require
from dmad.form import Explanation
from dmad.inference.backend import SCORES_AND_MAPS, LazyArrays

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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

    A score needs past frames (`data.history`). So the scores of the first frames of a clip are NaN.
    `calibrated`, `alarm`, `verdict` and `threshold` are None without a threshold.
    """

    raw: NDArray[np.float64]  # (N,): raw score, Eq. 14 or 22
    reconstruction: NDArray[np.float64]  # (N,): first term of the score
    deformation: NDArray[np.float64]  # (N,): second term of the score, without α
    released: dict[str, NDArray[np.float64]]  # (N,) each, by the names `RELEASED`; {} for images
    calibrated: NDArray[np.float64] | None = None  # (N,): to compare with the threshold
    alarm: NDArray[np.bool_] | None = None  # (N,), of video: True for the frames of an event
    verdict: NDArray[np.str_] | None = None  # (N,), of images: "good" or "anomalous"
    threshold: float | None = None  # of the calibrated score
    # Returns the explanation of a row. None: the result does not come from calling a detector.
    explain: Callable[[int], Explanation] | None = field(default=None, repr=False)

    @property
    def score(self) -> NDArray[np.float64]:
        """(N,): the calibrated score if a threshold was set, else the raw score."""
        return self.raw if self.calibrated is None else self.calibrated

    @property
    def peak(self) -> int:
        """Index of the frame or image with the highest score.

        Raises:
            DmadError: No frame or image has a score.
        """
        require(bool(np.isfinite(self.score).any()), "no frame has a score; give a longer clip")
        return int(np.nanargmax(self.score))

    @property
    def map(self) -> NDArray[np.float32]:
        """(H, W): the anomaly map of the frame or image with the highest score (`peak`).

        The map is the raw score of each pixel, in the size of the model's images. For video, it is
        the weighted sum in Eq. 14 at each pixel. For images, it is Eq. 23. The raw score of a frame
        or image can be higher than the maximum of the map, because the maxima of its two terms can
        be at different pixels. To make the map, the frame or image is scored again. The map of
        another frame or image is `explained(row).map`.

        Raises:
            DmadError: No frame or image has a score, or the result does not come from calling a
                detector.
        """
        return self.explained().map

    def explained(self, row: int | None = None) -> Explanation:
        """Return the map and the pictures of a frame or image.

        Args:
            row: Index of the frame or image. None: the frame or image with the highest score.

        Raises:
            DmadError: The frame or image has no score, or the result does not come from calling a
                detector.
        """
        require(
            self.explain is not None,
            "this result holds only scores; call the detector to get maps and pictures",
        )
        assert self.explain is not None
        return self.explain(self.peak if row is None else row)

    def plot(self, row: int | None = None) -> Figure:
        """Draw a frame or image: the input, the anomaly map over it, and the deformation.

        For a clip, a chart of all scores is below the pictures. A notebook shows the figure. In a
        script, save it: `result.plot().savefig("found.png")`.

        Args:
            row: Index of the frame or image. None: the frame or image with the highest score.

        Raises:
            DmadError: No frame or image has a score, or the result does not come from calling a
                detector.
        """
        from dmad.drawing.charts import explanation_figure

        row = self.peak if row is None else row
        scores = self.score if self.released else None  # images have no order
        pictures = self.explained(row).pictures
        return explanation_figure(pictures, self.title(row), scores, self.threshold, row)

    def title(self, row: int) -> str:
        """Return one line about a frame or image: its verdict, its score and the threshold."""
        parts = [f"row {row}"] if len(self.score) > 1 else []
        if self.verdict is not None:
            parts.append(str(self.verdict[row]))
        if self.alarm is not None:
            parts.append("alarm" if self.alarm[row] else "no alarm")
        if self.threshold is None:
            parts.append(f"raw score {self.score[row]:.3g}, no threshold")
        else:
            parts.append(f"score {self.score[row]:.3g}, threshold {self.threshold:.3g}")
        return ": ".join([", ".join(parts[:-1]), parts[-1]]) if parts[1:] else parts[0]

    def __str__(self) -> str:
        """Return a table with a row for each frame or image, but at most `ROWS_PRINTED` rows."""
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
            history: Number of frames before the first scored frame. Their scores are NaN.
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
        """Return the scores of images, if this result holds the scores of their tiles.

        Each term of an image is the highest of its tiles.

        Args:
            tiles: Number of tiles of each image. The tiles of an image follow one another.
            alpha: α of Eq. 22, the weight of the deformation.
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
            judges: What was scored. "frames": the result has `alarm`, true or false for each frame.
                "images": the result has `verdict`, "good" or "anomalous" for each image.
        """
        calibrated = calibration.score(self.reconstruction, self.deformation)
        threshold = calibration.threshold
        if judges == "frames":
            alarm = calibration.alarm(calibrated)
            return replace(self, calibrated=calibrated, alarm=alarm, threshold=threshold)
        verdict = np.where(calibrated >= threshold, "anomalous", "good")
        return replace(self, calibrated=calibrated, verdict=verdict, threshold=threshold)


def _cell(value: np.generic) -> str:
    """Return a value as text of 16 characters. A float is rounded to four digits."""
    return f"{value:16.4g}" if isinstance(value, np.floating) else f"{value!s:>16}"
