"""Metrics of frames and images over raw scores, by scikit-learn; without a score they are left out.

Everywhere: `scores` (N,) larger = more anomalous, NaN where there is none; `labels` (N,) 1 =
abnormal; `clip_lengths` sums to N. Only the order of the scores counts.
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
    """The mean of the clips' AUROC, and how many clips have one."""

    value: float  # in [0, 1]
    clips: int  # clips averaged: those that hold frames of both kinds
    of: int  # clips there are


@dataclass(frozen=True)
class Roc:
    """The ROC curve from (0, 0) to (1, 1), without points on a straight line between others."""

    fpr: np.ndarray  # (T,) share of the normal at or above the threshold, in [0, 1]
    tpr: np.ndarray  # (T,) share of the abnormal at or above the threshold, in [0, 1]
    thresholds: np.ndarray  # (T,) falling; the first is infinity


def micro_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve over all frames together, in [0, 1].

    Raises:
        DmadError: Lengths differ, a score is infinite, or only one label is left.
    """
    scores, labels = both_kinds(scores, labels)
    return float(roc_auc_score(labels, scores))


def macro_auroc(
    scores: np.ndarray, labels: np.ndarray, clip_lengths: Sequence[int] | np.ndarray
) -> MacroAUROC:
    """Mean AUROC of the clips that hold frames of both kinds; the others have none.

    Raises:
        DmadError: Lengths differ, a score is infinite, or no clip holds both kinds.
    """
    scores, labels = _checked(scores, labels)
    clips = zip(split_clips(scores, clip_lengths), split_clips(labels, clip_lengths), strict=True)
    known = [(one[~np.isnan(one)], truth[~np.isnan(one)]) for one, truth in clips]
    values = [roc_auc_score(truth, one) for one, truth in known if _mixed(truth)]
    require(
        len(values) > 0,
        f"macro AUROC needs a clip with frames of both kinds; none of {len(known)} clips is one",
    )
    return MacroAUROC(float(np.mean(values)), len(values), len(known))


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the precision-recall curve as a step function, in [0, 1].

    Raises:
        DmadError: Lengths differ, a score is infinite, or only one label is left.
    """
    scores, labels = both_kinds(scores, labels)
    return float(average_precision_score(labels, scores))


def f1_max(scores: np.ndarray, labels: np.ndarray) -> float:
    """F1 at the threshold that is best on these very labels, in (0, 1]: an upper bound.

    Raises:
        DmadError: Lengths differ, a score is infinite, or only one label is left.
    """
    scores, labels = both_kinds(scores, labels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    total = np.maximum(precision + recall, np.finfo(float).tiny)
    return float((2 * precision * recall / total).max())


def roc(scores: np.ndarray, labels: np.ndarray) -> Roc:
    """The ROC curve over all frames together.

    Raises:
        DmadError: Lengths differ, a score is infinite, or only one label is left.
    """
    scores, labels = both_kinds(scores, labels)
    return Roc(*roc_curve(labels, scores))


def both_kinds(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels (bool) of the frames that have a score.

    Raises:
        DmadError: Lengths differ, a score is infinite, or only one label is left.
    """
    scores, labels = _checked(scores, labels)
    known = ~np.isnan(scores)
    require(bool(known.any()), "no frame has a score")
    require(
        _mixed(labels[known]),
        "AUROC needs frames of both kinds; these labels hold one kind only",
    )
    return scores[known], labels[known]


def top_scores(scores: np.ndarray, points: int) -> np.ndarray:
    """At most `points` of the scores, falling, from the largest to the smallest: as thresholds.

    Their ranks grow geometrically, so that most lie where alarms are rare. They are scores that
    occur, so a monotone map of the scores maps them alike.
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


def _mixed(labels: np.ndarray) -> bool:
    return bool(labels.any() and not labels.all())
