"""How much does the deformation of a video say? Its weight, chosen without labels.

Fields may measure the unusual or mere noise. Held-out normal clips in which one thing is made to
move or look wrong tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmad.calibration.standardisation import Scorer
from dmad.console import progress_bar
from dmad.data.footage import Footage
from dmad.data.synthetic.anomalies import SPEEDS, Kind, Sequences, sequences
from dmad.errors import require
from dmad.evaluation.metrics import micro_auroc
from dmad.inference.detector import Detector
from dmad.model.scoring import average

KINDS: tuple[Kind, ...] = ("normal", "fast", "large")

WEIGHTS = (0.0, 0.2, 0.5, 1.0, 2.0)

COUNT = 40  # sequences of each kind

SCORED = 8  # frames scored in each; their mean is judged, as a causal mean of 8 would

CLEARLY = 0.01  # of AUROC, by which another weight must be better than that of the settings

Terms = tuple[np.ndarray, np.ndarray]  # Eq. 12 and 13 of each sequence, (count, scored) each


@dataclass(frozen=True)
class Weighing:
    """The weight, and what each was worth."""

    weight: float
    auroc: dict[str, tuple[float, float]]  # by weight: of fast and of large things, in [0, 1]


def weigh(detector: Detector, footage: Footage) -> Weighing:
    """Choose the weight of the standardised deformation.

    Args:
        detector: A model of video.
        footage: Normal clips not trained on.

    Raises:
        DmadError: No clip is long enough for a sequence at three times its speed.
    """
    score = detector.config.score
    length = detector.config.data.history + SCORED - 1
    long_enough(footage, length, f"so score.weight stays {score.weight:g}")
    terms = {
        kind: terms_of(detector, sequences(footage, length, COUNT, kind), [score.kernel], kind)[0]
        for kind in KINDS
    }
    found = {weight: worth(terms, weight) for weight in {*WEIGHTS, score.weight}}
    best = clearly_best({weight: sum(both) for weight, both in found.items()}, score.weight)
    return Weighing(best, {f"{weight:g}": found[weight] for weight in sorted(found)})


def long_enough(footage: Footage, length: int, told: str) -> None:
    """Check that sequences of a length can be made at every speed; `told` is what follows."""
    least = max(SPEEDS) * length + 1
    longest = max((clip.length for clip in footage.clips), default=0)
    require(longest >= least, f"no held-out clip has {least} frames, {told}")


def clearly_best(worth: Mapping[float, float], usual: float, least: float = 0.0) -> float:
    """The weight with the highest sum of two AUROCs.

    The usual one if both gain under `CLEARLY`, or together no more than `least`.
    """
    best = max(worth, key=worth.__getitem__)
    gain = worth[best] - worth[usual]
    return best if gain >= 2 * CLEARLY and gain > least else usual


def worth(terms: dict[Kind, Terms], weight: float) -> tuple[float, float]:
    """AUROC of fast and of large things against normal sequences, at one weight."""
    normal = terms["normal"]
    scorer = Scorer.fit(normal[0].ravel(), normal[1].ravel(), weight)
    return told_apart({kind: scorer.combine(*found).mean(1) for kind, found in terms.items()})


def told_apart(scores: dict[Kind, np.ndarray]) -> tuple[float, float]:
    """AUROC of fast and of large things, from a score a sequence, (count,) of each kind."""

    def auroc(kind: Kind) -> float:
        labels = np.repeat([0, 1], [len(scores["normal"]), len(scores[kind])])
        return micro_auroc(np.concatenate((scores["normal"], scores[kind])), labels)

    return auroc("fast"), auroc("large")


def terms_of(
    detector: Detector, made: Sequences, kernels: Sequence[tuple[int, int]], kind: str
) -> list[Terms]:
    """Both terms of every scored frame of sequences of T + scored frames, for each kernel."""
    found: list[list[list[np.ndarray]]] = [[[], []] for _ in kernels]
    scored = made.frames.shape[1] - detector.config.data.history
    shown = progress_bar(made.frames, f"scoring {kind}")
    for frames, scene in zip(shown, made.scenes, strict=True):
        (part,) = detector.explain(frames, scene, batch=scored)
        for which, kernel in enumerate(kernels):
            for term, maps in enumerate(
                (part.scores.reconstruction_map, part.scores.deformation_map)
            ):
                peak = average(maps.float(), kernel).amax((1, 2))
                found[which][term].append(peak.cpu().numpy())
    return [(np.stack(first), np.stack(second)) for first, second in found]
