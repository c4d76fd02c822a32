"""The ledger: results under a published protocol, a deployable one, and beside blind signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.smoothing import min_max_per_clip, smooth_ped2

Block = Literal["paper", "deployable", "blind"]
RELEASED_WEIGHTS = {"deformation": 0.2, "reconstruction": 0.4, "gradient": 0.6}


@dataclass(frozen=True)
class Row:
    """One figure."""

    block: Block
    signal: str  # what was scored
    metric: str
    value: float  # in [0, 1]


@dataclass(frozen=True)
class Labels:
    """A label set, named so that figures are compared on the same one."""

    name: str
    sha256: str


def label_set(name: str, labels: np.ndarray) -> Labels:
    """Name and hash of labels (N,)."""
    return Labels(name, sha256(np.ascontiguousarray(labels, np.uint8).tobytes()).hexdigest())


def published_ped2(
    channels: Mapping[str, np.ndarray], clip_lengths: np.ndarray, smooth: bool = True
) -> np.ndarray:
    """The released Ped2 post-processing: min-max per clip, smoothing, sum of .2 / .4 / .6.

    Args:
        channels: `deformation`, `reconstruction` and `gradient`, each (N,), without gaps.
        clip_lengths: Frames of each clip; they sum to N.
        smooth: False leaves the temporal smoothing out.
    """
    total = np.zeros(int(np.sum(clip_lengths)))
    for name, weight in RELEASED_WEIGHTS.items():
        channel = min_max_per_clip(channels[name], clip_lengths)
        total += weight * (smooth_ped2(channel) if smooth else channel)
    return total


def blind_signals(clip_lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Scores that see no pixel; a result must be read beside them."""
    steps = [np.arange(length) / max(length - 1, 1) for length in clip_lengths]
    position = np.concatenate(steps)
    return {
        "frame position t/T": position,
        "clip centre bump": -np.abs(position - 0.5),
        "constant": np.zeros(len(position)),
    }


def paper_rows(
    channels: Mapping[str, np.ndarray], labels: np.ndarray, clip_lengths: np.ndarray
) -> list[Row]:
    """Rows of the published Ped2 protocol, with and without its smoothing."""
    smooth = published_ped2(channels, clip_lengths)
    rough = published_ped2(channels, clip_lengths, smooth=False)
    return [
        row("paper", "published Ped2 protocol", smooth, labels),
        row("paper", "published Ped2 protocol, unsmoothed", rough, labels),
    ]


def blind_rows(labels: np.ndarray, clip_lengths: np.ndarray) -> list[Row]:
    """Rows of the signals that see no pixel."""
    return [
        row("blind", name, scores, labels) for name, scores in blind_signals(clip_lengths).items()
    ]


def row(block: Block, signal: str, scores: np.ndarray, labels: np.ndarray) -> Row:
    """A row of micro AUROC over frames that have a score."""
    return Row(block, signal, "micro_AUROC", micro_auroc(scores, labels))


def as_json(rows: list[Row], labels: Labels) -> dict[str, object]:
    """The ledger as `ledger.json` holds it."""
    return {"rows": [asdict(item) for item in rows], "labels": asdict(labels)}
