"""Metrics of frame or image scores: AUROC, average precision, F1 and the ROC curve.

In all functions, `scores` (N,) are larger for more anomalous frames, and NaN for frames without a
score. `labels` (N,) are 1 for abnormal frames. `clip_lengths` is the number of frames of each clip,
with sum N. Frames without a score are left out. The results depend only on the order of the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from dmad.data.series import check_finite, split_clips
from dmad.errors import require


@dataclass(frozen=True)
class MacroAUROC:
    """The mean AUROC of the clips that have normal and abnormal frames."""

    value: float  # in [0, 1]
    averaged_clips: int  # number of clips that have both kinds of frames
    clips: int  # number of all clips


@dataclass(frozen=True, eq=False)
class Roc:
    """The ROC curve from (0, 0) to (1, 1). Points that do not change its shape are left out."""

    fpr: np.ndarray  # (T,) share of the normal frames at or above the threshold, in [0, 1]
    tpr: np.ndarray  # (T,) share of the abnormal frames at or above the threshold, in [0, 1]
    thresholds: np.ndarray  # (T,) falling; the first is infinity


def micro_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve of all frames together, in [0, 1].

    Raises:
        DmadError: The lengths differ, a score is infinite, or all labels are equal.
    """
    scores, labels = scored_frames(scores, labels)
    return float(roc_auc_score(labels, scores))


def macro_auroc(
    scores: np.ndarray, labels: np.ndarray, clip_lengths: Sequence[int] | np.ndarray
) -> MacroAUROC:
    """Return the mean AUROC of the clips that have normal and abnormal frames.

    Raises:
        DmadError: The lengths differ, a score is infinite, or no clip has both normal and
            abnormal frames.
    """
    scores, labels = _checked(scores, labels)
    clip_scores = split_clips(scores, clip_lengths)
    clip_labels = split_clips(labels, clip_lengths)
    values = []
    for one_scores, one_labels in zip(clip_scores, clip_labels, strict=True):
        scored = ~np.isnan(one_scores)
        if _has_both_kinds(one_labels[scored]):
            values.append(roc_auc_score(one_labels[scored], one_scores[scored]))
    count = len(clip_scores)
    require(
        len(values) > 0,
        f"macro AUROC needs a clip with normal and abnormal frames; none of {count} clips has both",
    )
    return MacroAUROC(float(np.mean(values)), averaged_clips=len(values), clips=count)


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the precision-recall curve as a step function, in [0, 1].

    Raises:
        DmadError: The lengths differ, a score is infinite, or all labels are equal.
    """
    scores, labels = scored_frames(scores, labels)
    return float(average_precision_score(labels, scores))


def f1_max(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the highest F1 of all thresholds, in (0, 1]. The threshold is chosen with the labels.

    Raises:
        DmadError: The lengths differ, a score is infinite, or all labels are equal.
    """
    scores, labels = scored_frames(scores, labels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    total = np.maximum(precision + recall, np.finfo(float).tiny)
    return float((2 * precision * recall / total).max())


def roc(scores: np.ndarray, labels: np.ndarray) -> Roc:
    """Return the ROC curve of all frames together.

    Raises:
        DmadError: The lengths differ, a score is infinite, or all labels are equal.
    """
    scores, labels = scored_frames(scores, labels)
    fpr, tpr, thresholds = roc_curve(labels, scores)
    return Roc(fpr, tpr, thresholds)


def scored_frames(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels (bool) of the frames that have a score.

    Raises:
        DmadError: The lengths differ, a score is infinite, or all labels are equal.
    """
    scores, labels = _checked(scores, labels)
    scored = ~np.isnan(scores)
    require(bool(scored.any()), "no frame has a score")
    require(
        _has_both_kinds(labels[scored]),
        "AUROC needs normal and abnormal frames; these labels hold one kind only",
    )
    return scores[scored], labels[scored]


def top_scores(scores: np.ndarray, points: int) -> np.ndarray:
    """Return at most `points` of the scores, from the largest to the smallest.

    The ranks of the returned scores grow geometrically, so most of these scores are near the
    largest one. When they are used as thresholds, most of them give few alarms.
    """
    falling = np.sort(scores[~np.isnan(scores)])[::-1]
    if not len(falling):
        return falling
    ranks = np.unique(np.geomspace(1, len(falling), points).round().astype(int))
    return np.unique(falling[ranks - 1])[::-1]


def _checked(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    require(len(scores) == len(labels), f"{len(scores)} scores for {len(labels)} labels")
    check_finite(scores)
    return np.asarray(scores), np.asarray(labels, bool)


def _has_both_kinds(labels: np.ndarray) -> bool:
    return bool(labels.any() and not labels.all())
