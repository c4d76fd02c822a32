"""Pixel metrics over score maps, in memory that does not grow with their number.

Scores are raw, larger = more anomalous; pixels with NaN are left out. Only their order counts: a
monotone map of all scores changes nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label
from sklearn.metrics import auc, roc_curve

from dmad.data.series import check_finite
from dmad.errors import require

EIGHT = np.ones((3, 3), int)  # pixels that touch at a corner belong together

CELLS = 2**20


class Distribution:
    """Weighted scores, exact up to `cells` different ones.

    Beyond that, each fold lets scores that are neighbours share a cell, the largest standing for
    all of them, so that it moves less than 1 / `cells` of the weight past any threshold. There is a
    fold every 4 `cells` scores: with the default, 2,000 maps of 256 x 256 take 32 of them, and a
    rate is off by less than 4e-5.

    Args:
        cells: The resolution; memory grows with it, and not with the number of scores.
    """

    def __init__(self, cells: int = CELLS) -> None:
        self._limit = cells
        self._scores = np.empty(0)  # (cells,) rising
        self._weights = np.empty(0)  # (cells,)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._count = 0  # scores that wait

    def add(self, scores: np.ndarray, weights: np.ndarray) -> None:
        """Take in scores (n,) that are numbers, and their weights (n,) above 0."""
        order = np.argsort(scores)
        self._waiting.append((scores[order], weights[order]))
        self._count += len(scores)
        if self._count >= 4 * self._limit:
            self._fold()

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Different scores, rising, and the weight of each: (cells,), (cells,)."""
        self._fold()
        return self._scores, self._weights

    def _fold(self) -> None:
        parts = [(self._scores, self._weights), *self._waiting]
        self._waiting, self._count = [], 0
        scores, weights = (np.concatenate(part, dtype=float) for part in zip(*parts, strict=True))
        order = np.argsort(scores, kind="stable")  # timsort: fast, as all parts are sorted
        scores, weights = _merge(scores[order], weights[order])
        if len(scores) > self._limit:
            before = np.cumsum(weights) - weights
            scores, weights = _merge(scores, weights, before // (weights.sum() / self._limit))
        self._scores, self._weights = scores, weights


def _merge(
    scores: np.ndarray, weights: np.ndarray, group: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Join neighbours of equal group (of equal score where None) under their last score."""
    if not len(scores):
        return scores, weights
    last = np.append(np.flatnonzero(np.diff(scores if group is None else group)), len(scores) - 1)
    return scores[last], np.add.reduceat(weights, np.append(0, last[:-1] + 1))


class PixelMetrics:
    """Pixel AUROC and AUPRO of score maps that come one after the other.

    Args:
        cells: Resolution, see `Distribution`; up to as many different scores, results are exact.
    """

    def __init__(self, cells: int = CELLS) -> None:
        self._normal = Distribution(cells)
        self._abnormal = Distribution(cells)
        self._regions = Distribution(cells)  # abnormal pixels again, each region weighing 1 in all

    def update(self, scores: np.ndarray, mask: np.ndarray) -> None:
        """Take in one map and mask (H, W), which is True where abnormal.

        Raises:
            DmadError: Shapes differ, or a score is infinite.
        """
        scores, mask = np.asarray(scores), np.asarray(mask, bool)
        require(
            scores.shape == mask.shape and scores.ndim == 2,
            f"a score map {scores.shape} for a mask {mask.shape}; give both as (H, W)",
        )
        check_finite(scores)
        known = ~np.isnan(scores)
        normal, abnormal = scores[known & ~mask], scores[known & mask]
        self._normal.add(normal, np.ones(len(normal)))
        if not len(abnormal):
            return
        region = label(mask, EIGHT)[0][known & mask]
        self._abnormal.add(abnormal, np.ones(len(abnormal)))
        self._regions.add(abnormal, 1 / np.bincount(region)[region])

    def auroc(self) -> float:
        """Area under the ROC curve over the pixels of all maps, in [0, 1].

        Raises:
            DmadError: The masks hold normal or abnormal pixels only.
        """
        return float(auc(*self._curve(self._abnormal)))

    def aupro(self, limit: float = 0.3) -> float:
        """Area under the per-region overlap curve, in [0, 1].

        The overlap is the share of a region that lies at or above the threshold, averaged over the
        regions of all masks, large and small alike; a region is a set of abnormal pixels that touch
        at a side or a corner. It is integrated over the false positive rate of all normal pixels
        from 0 to `limit`, linearly between thresholds, and divided by `limit` (Bergmann et al.,
        The MVTec Anomaly Detection Dataset, IJCV 2021).

        Raises:
            DmadError: `limit` is not in (0, 1], or the masks hold one kind of pixels only.
        """
        require(0 < limit <= 1, f"AUPRO up to a false positive rate of {limit}; give one in (0, 1]")
        return area_up_to(limit, *self._curve(self._regions))

    def figures(self) -> dict[str, float]:
        """Both, by the names of the ledger."""
        return {"pixel_AUROC": self.auroc(), "AUPRO": self.aupro()}

    def _curve(self, positives: Distribution) -> tuple[np.ndarray, np.ndarray]:
        """False positive rate and true positive rate at every threshold."""
        parts = [self._normal.cells(), positives.cells()]
        require(
            all(len(scores) for scores, _ in parts),
            "pixel metrics need normal and abnormal pixels; these masks hold one kind only",
        )
        labels = np.repeat([False, True], [len(scores) for scores, _ in parts])
        scores, weights = map(np.concatenate, zip(*parts, strict=True))
        fpr, tpr, _ = roc_curve(labels, scores, sample_weight=weights)
        return fpr, tpr


def area_up_to(limit: float, x: np.ndarray, y: np.ndarray) -> float:
    """Area under a curve for x in [0, limit], over `limit`.

    Args:
        limit: Above 0.
        x: (T,) rising from 0; where it ends before `limit`, the curve goes on level.
        y: (T,).
    """
    inside = x <= limit
    x_inside = np.append(x[inside], limit)
    y_inside = np.append(y[inside], np.interp(limit, x, y))
    return float(auc(x_inside, y_inside) / limit)
