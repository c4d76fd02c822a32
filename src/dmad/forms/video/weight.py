"""Choose the weight of the deformation in the calibrated score of video, without labels.

The deformation fields may measure anomalies, or only noise. To find out, synthetic anomalies are
made from held-out normal clips: one thing in a clip moves too fast, or is too large.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dmad.calibration.standardisation import Scorer
from dmad.calibration.synthetic import SyntheticTerms
from dmad.console import progress_bar
from dmad.data.footage import Footage
from dmad.data.synthetic.anomalies import (
    SPEEDS,
    VARIANTS,
    Kind,
    Sequences,
    sequences,
    variant_sequences,
)
from dmad.errors import DmadError, require
from dmad.evaluation.metrics import micro_auroc
from dmad.inference.detector import Detector
from dmad.model.scoring import scores_of_maps

KINDS: tuple[Kind, ...] = ("normal", "fast", "large")
WEIGHTS = (0.0, 0.2, 0.5, 1.0, 2.0)
SEQUENCES = 40  # of each kind
SCORED_FRAMES = 8  # of each sequence; the mean of their scores is compared
ANOMALY_SECONDS = 1.2  # scored length of the synthetic anomalies that test a threshold
OF_EACH_VARIANT = 4  # number of synthetic anomalies of each kind and strength
CLEARLY = 0.01  # smallest gain for which the usual weight is replaced: a mean of two AUROCs
Terms = tuple[np.ndarray, np.ndarray]  # Eq. 12 and 13 of each sequence, (sequences, frames) each

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightChoice:
    """The chosen weight, and the AUROC of each weight that was tried."""

    weight: float
    auroc: dict[str, tuple[float, float]]  # by weight: for fast and for large things


def choose_weight(detector: Detector, footage: Footage) -> WeightChoice:
    """Choose the weight of the deformation with synthetic anomalies.

    Args:
        detector: A model of video.
        footage: Normal clips that were not trained on.

    Raises:
        DmadError: No clip is long enough for a sequence at three times the normal speed.
    """
    score = detector.config.score
    length = detector.config.data.history + SCORED_FRAMES - 1
    check_length(footage, length, f"so score.weight stays {score.weight:g}")
    terms = {}
    for kind in KINDS:
        made = sequences(footage, length, SEQUENCES, kind)
        terms[kind] = sequence_terms(detector, made, [score.kernel], kind)[0]
    tried = {weight: auroc_of_weight(terms, weight) for weight in {*WEIGHTS, score.weight}}
    worth = {weight: sum(both) for weight, both in tried.items()}
    best = clearly_best(worth, usual=score.weight)
    return WeightChoice(best, {f"{weight:g}": tried[weight] for weight in sorted(tried)})


def usual_weight(detector: Detector) -> float:
    """Return the weight of the deformation in the calibration, or else in the settings."""
    calibration = detector.calibration
    return calibration.scorer.weight if calibration else float(detector.config.score.weight)


def check_length(footage: Footage, length: int, consequence: str) -> None:
    """Check that a clip is long enough for synthetic anomalies of `length` + 1 frames.

    Things in these anomalies move at up to three times their normal speed. So the clip needs about
    three times as many frames.

    Raises:
        DmadError: No clip is long enough. The message ends with `consequence`.
    """
    least = max(SPEEDS) * length + 1
    longest = max((clip.length for clip in footage.clips), default=0)
    require(longest >= least, f"no held-out clip has {least} frames, {consequence}")


def clearly_best(worth: Mapping[float, float], usual: float, least: float = 0.0) -> float:
    """Return the best weight, or the usual weight if the gain is small.

    The best weight has the highest sum of two AUROCs. The gain is this sum minus the sum of the
    usual weight.

    Args:
        worth: Sum of two AUROCs for each weight that was tried.
        usual: The usual weight. It is replaced only if the gain is at least twice `CLEARLY`.
        least: The gain must also be larger than this.
    """
    best = max(worth, key=worth.__getitem__)
    gain = worth[best] - worth[usual]
    return best if gain >= 2 * CLEARLY and gain > least else usual


def auroc_of_weight(terms: Mapping[Kind, Terms], weight: float) -> tuple[float, float]:
    """Compute the AUROC of fast and of large things against normal sequences, for one weight."""
    reconstruction, deformation = terms["normal"]
    scorer = Scorer.fit(reconstruction.ravel(), deformation.ravel(), weight)
    return auroc_of_kinds({kind: scorer.combine(*both).mean(1) for kind, both in terms.items()})


def auroc_of_kinds(scores: Mapping[Kind, np.ndarray]) -> tuple[float, float]:
    """Compute the AUROC of fast and of large things from one score for each sequence."""

    def auroc(kind: Kind) -> float:
        labels = np.repeat([0, 1], [len(scores["normal"]), len(scores[kind])])
        return micro_auroc(np.concatenate((scores["normal"], scores[kind])), labels)

    return auroc("fast"), auroc("large")


def synthetic_terms(detector: Detector, footage: Footage, fps: float) -> SyntheticTerms | None:
    """Make synthetic anomalies of several kinds and strengths from normal clips, and score them.

    Args:
        detector: A model of video.
        footage: The clips.
        fps: Frames per second.

    Returns:
        The two terms of the raw score for each synthetic anomaly. None if no clip is long enough.
    """
    data, kernel = detector.config.data, detector.config.score.kernel
    scored = max(SCORED_FRAMES, round(ANOMALY_SECONDS * fps))
    past = data.history + scored - 1
    try:
        check_length(footage, past, "so synthetic anomalies cannot be made")
    except DmadError as error:
        logger.info("%s", error)
        return None
    terms = []
    for variant in VARIANTS:
        made = variant_sequences(footage, past, OF_EACH_VARIANT, variant)
        terms += sequence_terms(detector, made, [kernel], f"synthetic {variant.kind}")
    reconstruction, deformation = (np.concatenate(term) for term in zip(*terms, strict=True))
    return SyntheticTerms(
        reconstruction,
        deformation,
        kinds=np.repeat([variant.kind for variant in VARIANTS], OF_EACH_VARIANT),
        plain=np.repeat([variant.plain for variant in VARIANTS], OF_EACH_VARIANT),
    )


def sequence_terms(
    detector: Detector, made: Sequences, kernels: Sequence[tuple[int, int]], kind: str
) -> list[Terms]:
    """Compute both terms of the raw score (Eq. 12 and 13) of synthetic sequences.

    Args:
        detector: A model of video.
        made: The sequences.
        kernels: The averaging kernels.
        kind: Kind of the sequences, for the progress bar.

    Returns:
        For each kernel, the two terms of every scored frame: (sequences, frames) each.
    """
    settings = [replace(detector.config.score, kernel=kernel) for kernel in kernels]
    terms: list[tuple[list[np.ndarray], list[np.ndarray]]] = [([], []) for _ in kernels]
    scored = made.frames.shape[1] - detector.config.data.history
    shown = progress_bar(made.frames, f"scoring {kind}")
    for frames, scene in zip(shown, made.scenes, strict=True):
        (judged,) = detector.judge(frames, scene, batch=scored)
        maps = torch.from_numpy(judged.reconstruction_map), torch.from_numpy(judged.deformation_map)
        for setting, (reconstruction, deformation) in zip(settings, terms, strict=True):
            scores = scores_of_maps(*maps, setting)
            reconstruction.append(scores.reconstruction.numpy())
            deformation.append(scores.deformation.numpy())
    return [(np.stack(first), np.stack(second)) for first, second in terms]
