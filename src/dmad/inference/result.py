"""Scores of a clip or of images; numpy alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dmad.config import DataConfig
from dmad.errors import require

RELEASED = ("deformation", "reconstruction", "gradient")  # the released code's frame scores


def check_frames(frames: np.ndarray, data: DataConfig) -> None:
    """`DmadError` unless frames are (N, H, W, C) uint8 as a model of these settings takes them."""
    shape = (data.size, data.size, data.channels)
    wanted = f"give uint8 (N, {shape[0]}, {shape[1]}, {shape[2]}), as dmad.data.decoding.decode"
    require(
        isinstance(frames, np.ndarray),
        f"frames are a {type(frames).__name__}; {wanted} reads them of a file, or use stream",
    )
    require(
        frames.ndim == 4 and frames.shape[1:] == shape and frames.dtype == np.uint8,
        f"frames are {frames.dtype} {frames.shape}; {wanted} reads them",
    )
    least = data.history + 1
    require(len(frames) >= least, f"{len(frames)} frames are given, and {least} are needed")


class Part(Protocol):
    """A batch of judged frames."""

    def columns(self) -> list[np.ndarray]:
        """Score, its two terms and the `RELEASED` terms, (B,) float64 each."""


@dataclass(frozen=True)
class AnomalyResult:
    """Scores of a clip of N frames, or of N images (Eq. 22); larger is more anomalous.

    The first T frames of a clip have no past to be predicted from: their scores are NaN.
    """

    score: np.ndarray  # (N,) float64: Eq. 14
    reconstruction: np.ndarray  # (N,) float64: its first term
    deformation: np.ndarray  # (N,) float64: its second term before α
    released: dict[str, np.ndarray]  # the released code's three terms, (N,) each; PDM only

    @classmethod
    def of(cls, parts: Iterable[Part], gap: int) -> AnomalyResult:
        """The batches of one clip, with NaN for the `gap` frames before the first."""
        rows = [part.columns() for part in parts]  # of each batch only the scores are kept
        columns = [
            np.concatenate([np.full(gap, np.nan), *column]) for column in zip(*rows, strict=True)
        ]
        score, reconstruction, deformation, *released = columns
        return cls(score, reconstruction, deformation, dict(zip(RELEASED, released, strict=False)))

    @classmethod
    def join(cls, results: Sequence[AnomalyResult]) -> AnomalyResult:
        """Clips one after another."""
        parts = {
            name: np.concatenate([getattr(result, name) for result in results])
            for name in ("score", "reconstruction", "deformation")
        }
        released = {
            name: np.concatenate([result.released[name] for result in results])
            for name in results[0].released
        }
        return cls(released=released, **parts)
