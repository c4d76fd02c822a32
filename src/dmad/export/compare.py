"""Compare an export with PyTorch: the terms of normal frames, and the AUROC of anomalies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dmad.config import DataConfig
from dmad.data.footage import Clip, Footage
from dmad.data.splits import load_split
from dmad.data.synthetic.anomalies import Sequences
from dmad.errors import DmadError, require
from dmad.evaluation.metrics import micro_auroc
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult

COMPARED = 32  # largest number of frames that are compared


@dataclass(frozen=True)
class TermChange:
    """How much the scores and terms of an export differ from those of PyTorch."""

    largest: float  # largest difference of a score or term, divided by its mean in the clip
    frames: int  # number of compared frames


@dataclass(frozen=True)
class RankingChange:
    """The AUROC of an export and of PyTorch on a labelled test split."""

    auroc: float  # of the export
    auroc_pytorch: float
    largest_change: float  # largest difference of a score, divided by the mean score


def compare_terms(detector: Detector, exported: Detector, normal: Footage) -> TermChange:
    """Compare the scores and terms of two detectors on the first frames of normal clips.

    Raises:
        DmadError: There are no frames to compare.
    """
    history = detector.config.data.history
    length = history + max(1, COMPARED // max(1, len(normal.clips)))
    differences, count = [0.0], 0
    for clip in normal.clips[:COMPARED]:
        frames = normal.frames[clip.span][:length]
        expected = _columns(detector(frames, clip.scene))
        actual = _columns(exported(frames, clip.scene))
        for ours, theirs in zip(expected, actual, strict=True):
            difference = np.abs(theirs - ours)[history:].max()
            differences.append(difference / (np.abs(ours[history:]).mean() + 1e-9))
        count += len(frames) - history
    require(count > 0, "no frames to compare with; give normal clips with --data.root DIR")
    return TermChange(float(max(differences)), count)


def generated_clip(data: DataConfig, scene: str = "") -> Footage:
    """Return a clip of random smooth patterns that move, for a comparison without real frames.

    Args:
        data: The settings of the model.
        scene: The view that the clip belongs to.
    """
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (8, 8, data.channels), np.uint8)
    bands = [Image.fromarray(band).resize((data.size, data.size)) for band in coarse.T]
    pattern = np.stack([np.asarray(band) for band in bands], -1)
    length = data.history + COMPARED
    frames = np.stack([np.roll(pattern, 2 * index, 1) for index in range(length)])
    return Footage(frames, (Clip("generated", scene, 0, length, 0.0),), ())


def _columns(result: AnomalyResult) -> list[NDArray[np.float64]]:
    """Return the score, its two terms and the frame scores of the authors' released code."""
    return [result.raw, result.reconstruction, result.deformation, *result.released.values()]


def compare_ranking(
    detector: Detector, exported: Detector, data: DataConfig
) -> RankingChange | None:
    """Compare the AUROC of two detectors on the test split.

    Return None if there is no test split, or if its labels are missing, all normal or all abnormal.
    """
    try:
        test = load_split(data, "test")
    except DmadError:
        return None
    if test.labels is None or len(np.unique(test.labels)) < 2:
        return None
    ours, theirs = ranked_scores(detector, test.footage), ranked_scores(exported, test.footage)
    scored = np.isfinite(ours)
    ours, theirs, labels = ours[scored], theirs[scored], test.labels[scored]
    return RankingChange(
        auroc=micro_auroc(theirs, labels),
        auroc_pytorch=micro_auroc(ours, labels),
        largest_change=float(np.abs(theirs - ours).max() / np.abs(ours).mean()),
    )


@dataclass(frozen=True)
class SyntheticChange:
    """How well an export finds synthetic anomalies in normal footage, compared with PyTorch."""

    auroc: float  # of the export
    auroc_pytorch: float
    kept: float  # mean score of the anomalies in the export, divided by that in PyTorch
    pairs: int  # number of pairs of a normal window and an anomaly


def compare_synthetic(
    detector: Detector, exported: Detector, normal: Sequences, abnormal: Sequences
) -> SyntheticChange:
    """Compare the scores of two detectors on normal windows and on synthetic anomalies.

    A window is a frame with the past frames that the model needs.

    Args:
        detector: The model in PyTorch.
        exported: The export.
        normal: Windows of normal clips.
        abnormal: Windows with synthetic anomalies.
    """
    (ours, our_anomalies), (theirs, their_anomalies) = (
        [window_scores(each, windows) for windows in (normal, abnormal)]
        for each in (detector, exported)
    )
    labels = np.repeat([0, 1], [len(ours), len(our_anomalies)])
    return SyntheticChange(
        auroc=micro_auroc(np.concatenate((theirs, their_anomalies)), labels),
        auroc_pytorch=micro_auroc(np.concatenate((ours, our_anomalies)), labels),
        kept=float(their_anomalies.mean() / our_anomalies.mean()),
        pairs=len(ours) * len(our_anomalies),
    )


def window_scores(detector: Detector, windows: Sequences) -> NDArray[np.float64]:
    """Return the raw score of the last frame of each window."""
    pairs = zip(windows.frames, windows.scenes, strict=True)
    return np.array([detector(frames, scene).raw[-1] for frames, scene in pairs])


def ranked_scores(detector: Detector, footage: Footage) -> NDArray[np.float64]:
    """Return the score of each frame (Eq. 14) or image (Eq. 22).

    The terms of an image are the highest terms of its tiles.
    """
    results = [detector(footage.frames[clip.span], clip.scene) for clip in footage.clips]
    if detector.form.judges == "frames":
        return np.concatenate([result.raw for result in results])
    alpha = detector.config.score.alpha
    return np.array([one.reconstruction.max() + alpha * one.deformation.max() for one in results])
