"""Frame scores of a test split, ours or anybody's, as they lie in a `.npz` file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from dmad.data.series import split_clips
from dmad.errors import DmadError, require
from dmad.files import write_whole

NAMES = ("score", "reconstruction", "deformation", "gradient")


@dataclass(frozen=True)
class ScoreSet:
    """Every channel of scores, the labels, and where clips end. N frames, K clips."""

    channels: Mapping[str, np.ndarray]  # (N,) each, larger = more anomalous, NaN = no score
    labels: np.ndarray  # (N,) uint8, 1 = abnormal
    clip_lengths: np.ndarray  # (K,) int64, summing to N
    fps: float = 0.0  # frames a second; 0 = unknown
    label_name: str = "labels"

    @cached_property
    def missing(self) -> int:
        """Frames without a score in some channel."""
        return int((~self._known).sum())

    @cached_property
    def known(self) -> ScoreSet:
        """The frames that have a score in every channel; clips shrink accordingly."""
        keep = self._known
        clips = split_clips(keep, self.clip_lengths)
        return ScoreSet(
            {name: values[keep] for name, values in self.channels.items()},
            self.labels[keep],
            np.array([clip.sum() for clip in clips]),
            self.fps,
            self.label_name,
        )

    @cached_property
    def _known(self) -> np.ndarray:
        known: np.ndarray = np.isfinite(np.stack(list(self.channels.values()))).all(0)
        return known


def write_scores(scores: ScoreSet, path: Path) -> None:
    """Write a `.npz` that `read_scores` takes, whole or not at all."""
    buffer = io.BytesIO()
    arrays = {"labels": scores.labels, "clip_lengths": scores.clip_lengths}
    arrays |= {"fps": np.array(scores.fps), **scores.channels}
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def read_scores(path: Path) -> ScoreSet:
    """Scores from a `.npz` file; nothing in it is executed.

    Args:
        path: Arrays of one length N, one a channel: any of `score`, `reconstruction`,
            `deformation`, `gradient`; `labels` (N,) of 0 and 1; `clip_lengths` (K,). Others are
            passed over.

    Raises:
        DmadError: No such file, no such arrays, or arrays that do not fit together.
    """
    arrays = _arrays(path)
    given = [name for name in ("labels", "clip_lengths") if name not in arrays]
    require(not given, f"{path} holds no {' and no '.join(given)}; it holds {_list(arrays)}")
    labels, lengths = arrays["labels"], arrays["clip_lengths"]
    whole = lengths.ndim == 1 and bool(np.isfinite(lengths).all())
    whole = whole and bool((lengths == lengths.round()).all() and (lengths > 0).all())
    require(whole, f"{path}: clip_lengths must be whole numbers above 0, one a clip")
    channels = {name: arrays[name] for name in NAMES if name in arrays}
    require(bool(channels), f"{path} holds none of {_list(NAMES)}; it holds {_list(arrays)}")
    for name, values in {"labels": labels, **channels}.items():
        require(
            values.shape == (total := int(lengths.sum()),),
            f"{path}: {name} has shape {values.shape}, but clip_lengths sum to {total}; "
            "give one value a frame",
        )
    require(bool(np.isin(labels, (0, 1)).all()), f"{path}: labels must be 0 or 1")
    return ScoreSet(channels, labels.astype(np.uint8), lengths.astype(np.int64), 0.0, path.stem)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    require(path.is_file(), f"{path} is no file; give a .npz as `dmad ledger --help` describes it")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile, TypeError, AttributeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        why = "" if "pickle" in said else f" ({said})"  # numpy would advise to load it unsafely
        told = f"{path} is not a readable .npz of numbers{why}; see `dmad ledger --help`"
        raise DmadError(told) from error
    for name, values in arrays.items():
        require(
            values.dtype.kind in "fiub",
            f"{path}: {name} holds {values.dtype}, not numbers; write it with np.savez",
        )
    return {name: values.astype(np.float64) for name, values in arrays.items()}


def _list(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
