"""Which deployable score? Chosen on held-out normal clips and synthetic anomalies, without labels.

Each choice is changed alone, the others as shipped, so that the table shows what each is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmad.calibration.standardisation import Scorer
from dmad.data.splits import load_split, lying
from dmad.data.synthetic.anomalies import Kind, sequences
from dmad.errors import require
from dmad.evaluation.result import RAW, RAW_12, RAW_13
from dmad.experiments.tables import Table
from dmad.forms.video.weight import KINDS, WEIGHTS, Terms, long_enough, terms_of, told_apart
from dmad.inference.detector import load

SCORED = 12  # frames scored in each sequence; the last one is judged
SHIPPED_WINDOW = 8  # `AlarmShape.smoothing` at 10 frames a second, where no threshold tells it


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
    require(detector.config.data.history > 0, f"{run} is no model of video; give one that is")
    footage = load_split(lying(detector.config.data, root, cache), "held_out").footage
    length = detector.config.data.history + SCORED - 1
    long_enough(footage, length, "the least for synthetic anomalies")
    made = {kind: sequences(footage, length, count, kind) for kind in KINDS}
    rows, columns = score.kernel
    kernels = [(rows // 2, columns // 2), (rows, columns), (2 * rows, 2 * columns)]
    terms = {kind: terms_of(detector, made[kind], kernels, kind) for kind in KINDS}
    shipped = detector.calibration.scorer.window if detector.calibration else SHIPPED_WINDOW
    choices = compare(terms, kernels, score.alpha, detector.weight, min(shipped, SCORED))
    lines = [(c.name, f"{c.fast:.4f}", f"{c.large:.4f}") for c in choices]
    names = ("choice", "fast", "large")
    table = Table("AUROC on synthetic anomalies", names, lines)
    table.show()
    table.write(out / "deployable")
    return choices


def compare(
    terms: dict[Kind, list[Terms]],
    kernels: Sequence[tuple[int, int]],
    alpha: float,
    weight: float,
    window: int = SHIPPED_WINDOW,
) -> list[Choice]:
    """All choices; the middle kernel, the weight and the window are the shipped ones."""

    def plain(name: str, reconstruction: float, deformation: float) -> Choice:
        last = {
            kind: reconstruction * found[1][0][:, -1] + deformation * found[1][1][:, -1]
            for kind, found in terms.items()
        }
        return Choice(name, *told_apart(last))

    def standardised(name: str, factor: float, mean: int, kernel: int = 1) -> Choice:
        normal = terms["normal"][kernel]
        scorer = Scorer.fit(normal[0].ravel(), normal[1].ravel(), factor)
        last = {
            kind: scorer.combine(*found[kernel])[:, -mean:].mean(1) for kind, found in terms.items()
        }
        return Choice(name, *told_apart(last))

    others = [factor for factor in WEIGHTS if factor != weight]
    return [
        plain(RAW, 1, alpha),
        plain(RAW_12, 1, 0),
        plain(RAW_13, 0, 1),
        standardised(f"standardised, weight {weight:g}", weight, 1),
        standardised(f"as shipped: the same, causal mean of {window}", weight, window),
        *(standardised(f"weight {f:g}", f, window) for f in others),
        *(standardised(f"causal mean of {n}", weight, n) for n in (3, 5, 12) if n != window),
        *(standardised("kernel {} x {}".format(*kernels[k]), weight, window, k) for k in (0, 2)),
    ]  # fmt: skip
