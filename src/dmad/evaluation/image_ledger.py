"""The ledger of images: detection, localisation, and what the threshold does to good parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import binomtest

from dmad.calibration.budget import Budget
from dmad.evaluation.ledger import BlockName, Ledger, Row, label_set
from dmad.evaluation.metrics import average_precision, f1_max, micro_auroc
from dmad.evaluation.score_file import ScoreSet

GEOMETRIC = ("screw", "carpet", "metal_nut")  # categories of which the paper says α = 0.2

LARGER = "the larger, as published"

CONFIDENCE = 0.95


def paper_alpha(category: str) -> float:
    """α by the paper's own rule: whether the defects of a category are said to be geometric."""
    return 0.2 if category in GEOMETRIC else 0.05


def draw_up(
    scores: ScoreSet,
    paper: Mapping[str, np.ndarray],
    deployable: Mapping[str, np.ndarray],
    thresholds: Mapping[str, tuple[str, float]],
) -> Ledger:
    """Rows of the paper's and the deployable block, without those of pixels.

    Args:
        scores: Of N images; each is a clip of its own.
        paper: Name and values (N,) of each signal of the paper's block.
        deployable: The same of the deployable block.
        thresholds: For each false-positive rate, such as "0.01/image", the deployable signal it
            cuts, and where.
    """
    rows = [
        row
        for block, signals in (("paper", paper), ("deployable", deployable))
        for name, values in signals.items()
        for row in image_rows(block, name, values, scores.labels)  # type: ignore[arg-type]
    ]
    for budget, (name, level) in thresholds.items():
        share = 100 * Budget.parse(budget).rate
        rows += threshold_rows(f"at {share:g} %", deployable[name] >= level, scores.labels)
    return Ledger(rows, label_set(scores), scores.missing)


def image_rows(block: BlockName, signal: str, values: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Image AUROC, AP and F1-max of one signal (N,)."""
    metrics = {"image_AUROC": micro_auroc, "AP": average_precision, "F1_max": f1_max}
    return [Row(block, signal, name, metric(values, labels)) for name, metric in metrics.items()]


def threshold_rows(signal: str, raised: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Recall and false-positive rate of verdicts (N,) bool, with binomial intervals."""
    return [
        share_row(signal, "recall", raised[labels == 1], "abnormal"),
        share_row(signal, "false_positive_rate", raised[labels == 0], "good"),
    ]


def share_row(signal: str, metric: str, raised: np.ndarray, of: str) -> Row:
    """The share of images that are raised, and the exact interval of it."""
    count, total = int(raised.sum()), len(raised)
    low, high = binomtest(count, total).proportion_ci(CONFIDENCE)
    note = f"{signal}: {count} of {total} {of}, {CONFIDENCE:.0%} interval {low:.3f} to {high:.3f}"
    return Row("deployable", signal, metric, count / total, note)


def larger(rows: list[Row], signals: tuple[str, str]) -> list[Row]:
    """The paper's rule: of each metric the larger value of two signals."""
    found: dict[str, float] = {}
    for row in rows:
        if row.signal in signals and row.block == "paper":
            found[row.metric] = max(row.value, found.get(row.metric, 0.0))
    return [Row("paper", LARGER, metric, value) for metric, value in found.items()]
