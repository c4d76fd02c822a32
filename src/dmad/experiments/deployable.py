"""Which deployable score? Chosen on held-out normal clips and synthetic anomalies, without labels.

Each choice is changed alone, the others as shipped, so that the table shows what each is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmad.data.load import load_split, lying
from dmad.data.synthetic import Kind, sequences
from dmad.evaluation.scorer import Scorer
from dmad.experiments.tables import Table
from dmad.inference.detector import load
from dmad.weighing import KINDS, Terms, terms_of, told_apart

SCORED = 12  # frames scored in each sequence; the last one is judged
SHIPPED_WINDOW = 8  # `AlarmShape.smoothing` at 10 frames a second


@dataclass(frozen=True)
class Choice:
    """One line of the table."""

    name: str
    fast: float  # AUROC of the kind against normal sequences, in [0, 1]
    large: float


def deployable(
    run: Path, out: Path, count: int = 60, root: Path | None = None, cache: Path | None = None
) -> list[Choice]:
    """Compare choices and write `deployable.md` under `out`.

    Args:
        run: A run that held out normal clips.
        out: Where to write.
        count: Sequences of each kind.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
    """
    detector = load(run)
    score = detector.config.score
    footage = load_split(lying(detector.config.data, root, cache), "held_out").footage
    length = detector.config.data.history + SCORED - 1
    made = {kind: sequences(footage, length, count, kind) for kind in KINDS}
    rows, columns = score.kernel
    kernels = [(rows // 2, columns // 2), (rows, columns), (2 * rows, 2 * columns)]
    terms = {kind: terms_of(detector, made[kind], kernels, kind) for kind in KINDS}
    choices = compare(terms, kernels, score.alpha, detector.weight)
    lines = [(c.name, f"{c.fast:.4f}", f"{c.large:.4f}") for c in choices]
    names = ("choice", "fast", "large")
    table = Table("AUROC on synthetic anomalies", names, lines)
    table.show()
    table.write(out / "deployable")
    return choices


def compare(
    terms: dict[Kind, list[Terms]], kernels: Sequence[tuple[int, int]], alpha: float, weight: float
) -> list[Choice]:
    """All choices; the middle kernel is the shipped one."""

    def plain(name: str, reconstruction: float, deformation: float) -> Choice:
        last = {
            kind: reconstruction * found[1][0][:, -1] + deformation * found[1][1][:, -1]
            for kind, found in terms.items()
        }
        return choice(name, last)

    def standardised(name: str, factor: float, window: int, kernel: int = 1) -> Choice:
        normal = terms["normal"][kernel]
        scorer = Scorer.fit(normal[0].ravel(), normal[1].ravel(), factor)
        last = {
            kind: scorer.combine(*found[kernel])[:, -window:].mean(1)
            for kind, found in terms.items()
        }
        return choice(name, last)

    others = [factor for factor in (0.0, 0.2, 0.5, 1.0, 2.0) if factor != weight]
    return [
        plain("Eq. 14 raw", 1, alpha),
        plain("Eq. 12 alone, raw", 1, 0),
        plain("Eq. 13 alone, raw", 0, 1),
        standardised(f"standardised, weight {weight:g}", weight, 1),
        standardised(f"as shipped: the same, causal mean of {SHIPPED_WINDOW}", weight,
                     SHIPPED_WINDOW),
        *(standardised(f"weight {f:g}", f, SHIPPED_WINDOW) for f in others),
        *(standardised(f"causal mean of {n}", weight, n) for n in (3, 5, 12)),
        *(standardised("kernel {} x {}".format(*kernels[k]), weight, SHIPPED_WINDOW, k)
          for k in (0, 2)),
    ]  # fmt: skip


def choice(name: str, last: dict[Kind, np.ndarray]) -> Choice:
    """One line, from a score a sequence."""
    return Choice(name, *told_apart(last))
