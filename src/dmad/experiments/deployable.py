"""Compares ways to score the frames of a live camera.

The scores must find synthetic anomalies, because a camera has no labelled anomalies. The defaults
of dmad are compared with other choices. One choice is changed at a time, so the table shows the
effect of each choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmad.api import load
from dmad.calibration.standardisation import Scorer
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.data.synthetic.anomalies import Kind, sequences
from dmad.errors import require
from dmad.evaluation.result import RAW, RAW_12, RAW_13
from dmad.evaluation.table import Table
from dmad.experiments.tables import print_table, write_table
from dmad.forms.video.weight import (
    KINDS,
    WEIGHTS,
    Terms,
    auroc_of_kinds,
    check_length,
    sequence_terms,
    usual_weight,
)

SCORED_FRAMES = 12  # of each sequence; only the score of the last frame is compared
SHIPPED_WINDOW = 8  # frames of the mean for a model without threshold: 0.8 s at 10 fps
SMALL, MIDDLE, LARGE = 0, 1, 2  # kernels that smooth the terms; the middle one is the default
WINDOWS = (3, 5, 12)  # other lengths of the mean over past frames

# For each kind of sequence: the terms, smoothed with each of the three kernels.
KernelTerms = Mapping[Kind, Sequence[Terms]]


@dataclass(frozen=True)
class Comparison:
    """One row of the table: how well a score finds synthetic anomalies."""

    name: str
    fast: float  # AUROC of fast objects against normal sequences, in [0, 1]
    large: float  # AUROC of large objects


@dataclass(frozen=True)
class Shipped:
    """The default settings of the score."""

    alpha: float  # α of Eq. 14
    weight: float  # weight of the standardised deformation
    window: int  # number of frames of the mean over past frames


def deployable(
    run: Path, out: Path, count: int = 60, root: Path | None = None, cache: Path | None = None
) -> list[Comparison]:
    """Compare several ways to compute the score, and write `deployable.md`.

    Args:
        run: Run folder of a video model whose training held out normal clips.
        out: Folder to write to.
        count: Number of sequences of frames of each kind: normal, fast objects, large objects.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The run is not of video, or no held-out clip is long enough.
    """
    detector = load(run)
    config = detector.config
    require(config.data.history > 0, f"{run} is not a model of video; give a model of video")
    footage = load_split(with_locations(config.data, root, cache), "held_out").footage
    length = config.data.history + SCORED_FRAMES - 1
    check_length(footage, length, "so synthetic anomalies cannot be made")
    rows, columns = config.score.kernel
    kernels = [(rows // 2, columns // 2), (rows, columns), (2 * rows, 2 * columns)]
    terms = {}
    for kind in KINDS:
        made = sequences(footage, length, count, kind)
        terms[kind] = sequence_terms(detector, made, kernels, kind)
    window = detector.calibration.scorer.window if detector.calibration else SHIPPED_WINDOW
    shipped = Shipped(config.score.alpha, usual_weight(detector), min(window, SCORED_FRAMES))
    comparisons = compare_scores(terms, kernels, shipped)
    cells = [(one.name, f"{one.fast:.4f}", f"{one.large:.4f}") for one in comparisons]
    table = Table("AUROC on synthetic anomalies", ("choice", "fast", "large"), cells)
    print_table(table)
    write_table(table, out / "deployable")
    return comparisons


def compare_scores(
    terms: KernelTerms, kernels: Sequence[tuple[int, int]], shipped: Shipped
) -> list[Comparison]:
    """Compare the score that uses the default settings with scores that use other settings.

    Args:
        terms: Both score terms of all sequences of frames, smoothed with each kernel.
        kernels: Rows and columns of the three kernels in pixels, the smallest kernel first.
        shipped: The default settings.

    Returns:
        A row of the table for each score.
    """
    weight, window = shipped.weight, shipped.window
    comparisons = [
        compare_raw(terms, RAW, 1, shipped.alpha),
        compare_raw(terms, RAW_12, 1, 0),
        compare_raw(terms, RAW_13, 0, 1),
        compare_standardised(terms, f"standardised, weight {weight:g}", weight, 1),
        compare_standardised(
            terms, f"as shipped: the same, causal mean of {window}", weight, window
        ),
    ]
    for other in WEIGHTS:
        if other != weight:
            comparisons.append(compare_standardised(terms, f"weight {other:g}", other, window))
    for other in WINDOWS:
        if other != window:
            name = f"causal mean of {other}"
            comparisons.append(compare_standardised(terms, name, weight, other))
    for kernel in (SMALL, LARGE):
        name = "kernel {} x {}".format(*kernels[kernel])
        comparisons.append(compare_standardised(terms, name, weight, window, kernel))
    return comparisons


def compare_raw(
    terms: KernelTerms, name: str, reconstruction: float, deformation: float
) -> Comparison:
    """Measure how well one score finds anomalies: a weighted sum of both raw terms.

    Each sequence gets the score of its last frame.

    Args:
        terms: Both score terms of all sequences of frames, smoothed with each kernel.
        name: Name of the score in the table.
        reconstruction: Weight of the first term.
        deformation: Weight of the second term.
    """
    scores = {}
    for kind, by_kernel in terms.items():
        first, second = by_kernel[MIDDLE]
        scores[kind] = reconstruction * first[:, -1] + deformation * second[:, -1]
    return Comparison(name, *auroc_of_kinds(scores))


def compare_standardised(
    terms: KernelTerms, name: str, weight: float, window: int, kernel: int = MIDDLE
) -> Comparison:
    """Measure how well one score finds anomalies: a weighted sum of both standardised terms.

    The terms are standardised with those of the normal sequences. Each sequence gets the mean score
    of its last frames.

    Args:
        terms: Both score terms of all sequences of frames, smoothed with each kernel.
        name: Name of the score in the table.
        weight: Weight of the standardised deformation. The reconstruction has weight 1.
        window: Number of last frames over which the score is averaged.
        kernel: Index of the kernel with which the terms were smoothed.
    """
    reconstruction, deformation = terms["normal"][kernel]
    scorer = Scorer.fit(reconstruction.ravel(), deformation.ravel(), weight)
    scores = {
        kind: scorer.combine(*by_kernel[kernel])[:, -window:].mean(1)
        for kind, by_kernel in terms.items()
    }
    return Comparison(name, *auroc_of_kinds(scores))
