"""The ledger (table of results) of images: metrics of scores, and rates at the thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binomtest

from dmad.calibration.budget import Budget
from dmad.evaluation.ledger import BlockName, LabelSet, Ledger, Row
from dmad.evaluation.metrics import average_precision, f1_max, micro_auroc
from dmad.evaluation.score_file import ScoreSet

GEOMETRIC_CATEGORIES = ("screw", "carpet", "metal_nut")  # the paper uses α = 0.2 for them

LARGER_OF_BOTH = "the larger, as published"  # name of a signal
CONFIDENCE = 0.95  # probability that an interval contains the true value


def paper_alpha(category: str) -> float:
    """Return α by the rule of the paper: larger for categories with geometric defects."""
    return 0.2 if category in GEOMETRIC_CATEGORIES else 0.05


def build_image_ledger(
    scores: ScoreSet,
    paper: Mapping[str, np.ndarray],
    deployable: Mapping[str, np.ndarray],
    thresholds: Mapping[str, tuple[str, float]],
) -> Ledger:
    """Return the ledger of image scores, without pixel metrics.

    Args:
        scores: Scores of N images. Each image is a clip of one frame.
        paper: Name and values (N,) of each signal of the block `paper`.
        deployable: Name and values (N,) of each signal of the block `deployable`.
        thresholds: For each budget, such as "0.01/image", the name of a signal of `deployable` and
            the threshold of this signal. The rows are sorted by the budgets.
    """
    rows = []
    for name, values in paper.items():
        rows += image_rows("paper", name, values, scores.labels)
    for name, values in deployable.items():
        rows += image_rows("deployable", name, values, scores.labels)
    rates = {Budget.parse(budget).rate: limit for budget, limit in thresholds.items()}
    for rate, (name, threshold) in sorted(rates.items()):
        rejected = deployable[name] >= threshold
        rows += threshold_rows(f"at {100 * rate:g} %", rejected, scores.labels)
    labels = LabelSet.from_labels(scores.label_name, scores.labels)
    return Ledger(rows, labels, scores.frames_without_score)


def image_rows(block: BlockName, signal: str, values: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Return image AUROC, AP and F1-max of a signal (N,)."""
    metrics = {"image_AUROC": micro_auroc, "AP": average_precision, "F1_max": f1_max}
    return [Row(block, signal, name, metric(values, labels)) for name, metric in metrics.items()]


def threshold_rows(signal: str, rejected: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Return recall and false-positive rate. `rejected` (N,) is True for rejected images."""
    return [
        share_row(signal, "recall", rejected[labels == 1], "abnormal"),
        share_row(signal, "false_positive_rate", rejected[labels == 0], "good"),
    ]


def share_row(signal: str, metric: str, rejected: np.ndarray, kind: str) -> Row:
    """Return the share of rejected images, with its exact binomial interval in the note.

    Args:
        signal: Name of the signal.
        metric: Name of the metric.
        rejected: (N,) bool, True for rejected images.
        kind: Kind of the images for the note: "good" or "abnormal".
    """
    count, total = int(rejected.sum()), len(rejected)
    low, high = binomtest(count, total).proportion_ci(CONFIDENCE)
    note = f"{signal}: {count} of {total} {kind}, {CONFIDENCE:.0%} interval {low:.3f} to {high:.3f}"
    return Row("deployable", signal, metric, count / total, note)


def larger_rows(rows: list[Row], signals: Sequence[str]) -> list[Row]:
    """Return a row for each metric: the largest value of the given signals in the block `paper`.

    For each metric, the paper reports the better result of its two scores.
    """
    largest: dict[str, float] = {}
    for row in rows:
        if row.signal in signals and row.block == "paper":
            largest[row.metric] = max(row.value, largest.get(row.metric, 0.0))
    return [Row("paper", LARGER_OF_BOTH, metric, value) for metric, value in largest.items()]
