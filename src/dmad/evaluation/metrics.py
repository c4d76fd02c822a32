"""Metrics over raw scores; frames without a score are left out."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from dmad.config import require


def micro_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve over all frames together, in [0, 1].

    Args:
        scores: (N,) larger = more anomalous; NaN where a frame has no score.
        labels: (N,) 1 = abnormal.

    Raises:
        DmadError: Lengths differ, or only one label is left.
    """
    require(len(scores) == len(labels), f"{len(scores)} scores for {len(labels)} labels")
    known = np.isfinite(scores)
    require(
        len(np.unique(labels[known])) == 2,
        "AUROC needs frames of both kinds; these labels hold one kind only",
    )
    return float(roc_auc_score(labels[known], scores[known]))
