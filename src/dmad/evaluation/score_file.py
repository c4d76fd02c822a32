"""Frame scores of a test split, from dmad or another detector, and their `.npz` file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from dmad.checked_files import read_npz
from dmad.data.series import split_clips
from dmad.errors import require
from dmad.files import write_atomically

CHANNELS = ("score", "reconstruction", "deformation", "gradient")
HELP = "`dmad ledger --help` describes the file"


@dataclass(frozen=True, eq=False)
class ScoreSet:
    """Scores and labels of the N frames of K clips. Each kind of score is a channel."""

    channels: Mapping[str, np.ndarray]  # (N,) each, larger = more anomalous, NaN = no score
    labels: np.ndarray  # (N,) uint8, 1 = abnormal
    clip_lengths: np.ndarray  # (K,) int64, frames of each clip; their sum is N
    fps: float = 0.0  # frames per second; 0 = unknown
    label_name: str = "labels"

    @cached_property
    def frames_without_score(self) -> int:
        """Number of frames without a score in at least one channel."""
        return int((~self._is_complete).sum())

    @cached_property
    def complete_frames(self) -> ScoreSet:
        """Only the frames that have a score in every channel. Clips become shorter."""
        complete = self._is_complete
        clips = split_clips(complete, self.clip_lengths)
        return ScoreSet(
            channels={name: values[complete] for name, values in self.channels.items()},
            labels=self.labels[complete],
            clip_lengths=np.array([clip.sum() for clip in clips]),
            fps=self.fps,
            label_name=self.label_name,
        )

    @cached_property
    def _is_complete(self) -> np.ndarray:
        complete: np.ndarray = np.isfinite(np.stack(list(self.channels.values()))).all(0)
        return complete


def write_scores(scores: ScoreSet, path: Path) -> None:
    """Write scores into a `.npz` file, which `read_scores` can read."""
    arrays = {
        "labels": scores.labels,
        "clip_lengths": scores.clip_lengths,
        "fps": np.array(scores.fps),
        **scores.channels,
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue())


def read_scores(path: Path) -> ScoreSet:
    """Read scores from a `.npz` file. No code in the file is executed.

    Args:
        path: A file with these arrays for N frames in K clips: one or more of `score`,
            `reconstruction`, `deformation` and `gradient`, (N,) each; `labels` (N,), 1 = abnormal,
            0 = normal; `clip_lengths` (K,), the number of frames of each clip. Other arrays are
            ignored.

    Raises:
        DmadError: There is no such file, an array is missing, or arrays do not fit together.
    """
    found, names = read_npz(path, ("labels", "clip_lengths", *CHANNELS), HELP)
    arrays = {name: _numbers(values, f"{path}: {name}") for name, values in found.items()}
    missing = [name for name in ("labels", "clip_lengths") if name not in arrays]
    require(not missing, f"{path} holds no {' and no '.join(missing)}; it holds {_listed(names)}")
    lengths = arrays["clip_lengths"]
    require(
        _are_counts(lengths),
        f"{path}: clip_lengths must be whole numbers above 0, one for each clip",
    )
    total = int(lengths.sum())
    channels = {name: arrays[name] for name in CHANNELS if name in arrays}
    require(bool(channels), f"{path} holds none of {_listed(CHANNELS)}; it holds {_listed(names)}")
    labels = arrays["labels"]
    for name, values in {"labels": labels, **channels}.items():
        require(
            values.shape == (total,),
            f"{path}: {name} has shape {values.shape}, but clip_lengths sum to {total}; "
            "give one value per frame",
        )
    require(bool(np.isin(labels, (0, 1)).all()), f"{path}: labels must be 0 or 1")
    return ScoreSet(
        channels=channels,
        labels=labels.astype(np.uint8),
        clip_lengths=lengths.astype(np.int64),
        label_name=path.stem,
    )


def _are_counts(lengths: np.ndarray) -> bool:
    if lengths.ndim != 1 or not np.isfinite(lengths).all():
        return False
    return bool((lengths == lengths.round()).all() and (lengths > 0).all())


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    require(
        values.dtype.kind in "fiub",
        f"{name} holds {values.dtype}, not numbers; write it with np.savez",
    )
    return values.astype(np.float64)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
