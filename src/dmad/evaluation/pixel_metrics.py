"""Pixel metrics of score maps: AUROC and AUPRO. Memory use does not grow with the number of maps.

Larger scores are more anomalous. Pixels with NaN are left out. The results depend only on the order
of the scores.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label
from sklearn.metrics import auc, roc_curve

from dmad.data.series import check_finite
from dmad.errors import require

# For `scipy.ndimage.label`: pixels that touch at a side or a corner belong to one region.
TOUCHING = np.ones((3, 3), int)

MAX_SCORES = 2**20


class ScoreHistogram:
    """A histogram of weighted scores. It is exact for at most `max_scores` different scores.

    If there are more, groups of neighbouring scores are merged: each group becomes its largest
    score. For any threshold, such a merge moves less than 1 / `max_scores` of the total weight from
    below the threshold to above it. There is one merge for every 4 `max_scores` scores that are
    added. With the default, 2,000 maps of 256 x 256 need 32 merges, and the error of a rate is
    below 4e-5.

    Args:
        max_scores: Largest number of different scores that are kept.
    """

    def __init__(self, max_scores: int = MAX_SCORES) -> None:
        self._max_scores = max_scores
        self._scores = np.empty(0)  # (S,) rising
        self._weights = np.empty(0)  # (S,)
        self._new_parts: list[tuple[np.ndarray, np.ndarray]] = []  # not merged yet
        self._new_scores = 0  # number of scores in them

    def add(self, scores: np.ndarray, weights: np.ndarray) -> None:
        """Add scores (n,) without NaN, and their weights (n,) above 0."""
        order = np.argsort(scores)
        self._new_parts.append((scores[order], weights[order]))
        self._new_scores += len(scores)
        if self._new_scores >= 4 * self._max_scores:
            self._merge_new_parts()

    def scores_and_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the different scores (S,), rising, and the weight (S,) of each."""
        self._merge_new_parts()
        return self._scores, self._weights

    def _merge_new_parts(self) -> None:
        parts = [(self._scores, self._weights), *self._new_parts]
        self._new_parts, self._new_scores = [], 0
        scores = np.concatenate([part[0] for part in parts], dtype=float)
        weights = np.concatenate([part[1] for part in parts], dtype=float)
        order = np.argsort(scores, kind="stable")  # timsort: fast, because all parts are sorted
        scores, weights = scores[order], weights[order]
        scores, weights = _merge_neighbours(scores, weights, group=scores)
        if len(scores) > self._max_scores:
            weight_before = np.cumsum(weights) - weights
            group = weight_before // (weights.sum() / self._max_scores)
            scores, weights = _merge_neighbours(scores, weights, group)
        self._scores, self._weights = scores, weights


def _merge_neighbours(
    scores: np.ndarray, weights: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Merge neighbouring scores of the same group into the last score of the group."""
    if not len(scores):
        return scores, weights
    last = np.append(np.flatnonzero(np.diff(group)), len(scores) - 1)
    first = np.append(0, last[:-1] + 1)
    return scores[last], np.add.reduceat(weights, first)


class PixelMetrics:
    """Pixel AUROC and AUPRO of score maps that are added one by one.

    Args:
        max_scores: Results are exact for at most this number of different scores.
    """

    def __init__(self, max_scores: int = MAX_SCORES) -> None:
        self._normal = ScoreHistogram(max_scores)
        self._abnormal = ScoreHistogram(max_scores)
        self._regions = ScoreHistogram(max_scores)  # abnormal pixels, total weight 1 per region

    def update(self, scores: np.ndarray, mask: np.ndarray) -> None:
        """Add a score map (H, W) and its mask (H, W), which is True for abnormal pixels.

        Raises:
            DmadError: The shapes differ, or a score is infinite.
        """
        scores, mask = np.asarray(scores), np.asarray(mask, bool)
        require(
            scores.shape == mask.shape and scores.ndim == 2,
            f"a score map {scores.shape} for a mask {mask.shape}; give both as (H, W)",
        )
        check_finite(scores)
        scored = ~np.isnan(scores)
        normal, abnormal = scores[scored & ~mask], scores[scored & mask]
        self._normal.add(normal, np.ones(len(normal)))
        if not len(abnormal):
            return
        self._abnormal.add(abnormal, np.ones(len(abnormal)))
        region = label(mask, TOUCHING)[0][scored & mask]
        self._regions.add(abnormal, 1 / np.bincount(region)[region])

    def auroc(self) -> float:
        """Return the area under the ROC curve of the pixels of all maps, in [0, 1].

        Raises:
            DmadError: All pixels are normal, or all are abnormal.
        """
        return float(auc(*self._curve(self._abnormal)))

    def aupro(self, limit: float = 0.3) -> float:
        """Return the area under the per-region overlap curve, in [0, 1].

        A region is a set of abnormal pixels that touch at a side or a corner. The overlap of a
        region is the share of its pixels at or above the threshold. The overlap is averaged over
        the regions of all masks, so large and small regions have the same weight. The mean is
        integrated over the false positive rate of all normal pixels from 0 to `limit`, with
        straight lines between thresholds. The integral is divided by `limit` (Bergmann et al., The
        MVTec Anomaly Detection Dataset, IJCV 2021).

        Raises:
            DmadError: `limit` is not in (0, 1], all pixels are normal, or all are abnormal.
        """
        require(0 < limit <= 1, f"AUPRO up to a false positive rate of {limit}; give one in (0, 1]")
        return area_up_to(limit, *self._curve(self._regions))

    def to_dict(self) -> dict[str, float]:
        """Return both metrics, by their names in the ledger."""
        return {"pixel_AUROC": self.auroc(), "AUPRO": self.aupro()}

    def _curve(self, positives: ScoreHistogram) -> tuple[np.ndarray, np.ndarray]:
        normal_scores, normal_weights = self._normal.scores_and_weights()
        positive_scores, positive_weights = positives.scores_and_weights()
        require(
            len(normal_scores) > 0 and len(positive_scores) > 0,
            "pixel metrics need normal and abnormal pixels; these masks hold one kind only",
        )
        labels = np.repeat([False, True], [len(normal_scores), len(positive_scores)])
        scores = np.concatenate([normal_scores, positive_scores])
        weights = np.concatenate([normal_weights, positive_weights])
        fpr, tpr, _ = roc_curve(labels, scores, sample_weight=weights)
        return fpr, tpr


def area_up_to(limit: float, x: np.ndarray, y: np.ndarray) -> float:
    """Return the area under a curve for x in [0, limit], divided by `limit`.

    Args:
        limit: Above 0.
        x: (T,) rising from 0. If the last x is below `limit`, the curve is constant after it.
        y: (T,).
    """
    inside = x <= limit
    x_inside = np.append(x[inside], limit)
    y_inside = np.append(y[inside], np.interp(limit, x, y))
    return float(auc(x_inside, y_inside) / limit)
