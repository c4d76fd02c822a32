"""Image runs: scores and ledger of a test split; α and thresholds from good images alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmad.calibration.budget import Budget
from dmad.calibration.held_out import HeldOut
from dmad.calibration.standardisation import Scorer
from dmad.calibration.threshold import Calibration, calibrate
from dmad.config import Config
from dmad.console import progress_bar
from dmad.data.footage import Footage, thin
from dmad.data.splits import LEAST, LabelledFootage
from dmad.data.synthetic.defects import KINDS, defective
from dmad.data.tiles import blend
from dmad.errors import require
from dmad.evaluation.image_ledger import draw_up, larger, paper_alpha
from dmad.evaluation.ledger import BlockName, Row
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.evaluation.result import Evaluation
from dmad.evaluation.score_file import ScoreSet
from dmad.files import room
from dmad.forms.video import weight as weighing
from dmad.inference.detector import Detector
from dmad.model.scoring import blur

IMAGE_BUDGET = "0.01/image"

LEVELS = ("0.01/image", "0.02/image", "0.05/image")  # that are always told

STANDARDISED = "standardised"  # the signal that has a threshold

IMAGE_RAW = "Eq. 22"  # with α chosen without anomalies

WITHOUT = "Eq. 20"

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)  # of the standardised deformation, tried for α

CHANCE = 3  # pairs of a good image and a defect, whose order is no reason for another α

MOST = 32  # held-out images, or tiles of them, that are given synthetic defects, evenly spread

COARSE = 4  # pixels of a map for one in the choice of α


@dataclass(frozen=True)
class Seen:
    """What a model says of N images, before α."""

    reconstruction: np.ndarray  # (N,): first term of Eq. 22
    deformation: np.ndarray  # (N,): second term before α
    maps: np.ndarray  # (2, N, H, W) float32: both maps of Eq. 23 before α, smoothed

    def score(self, alpha: float) -> np.ndarray:
        """Eq. 22, (N,)."""
        return self.reconstruction + alpha * self.deformation

    def pixels(self, index: int, alpha: float) -> np.ndarray:
        """Eq. 23 of one image, (H, W)."""
        first, second = self.maps[:, index]
        return np.asarray(first + alpha * second)


def look(detector: Detector, images: Sequence[np.ndarray]) -> Seen:
    """Judge images (H, W, 3) uint8, with progress on standard error; maps lie on disk."""
    config = detector.config
    maps = room((2, len(images), config.data.size, config.data.size), np.float32)
    terms = np.empty((2, len(images)))
    for found in progress_bar(detector.explain(images), "judging", -(-len(images) // 8)):
        scores = found.scores
        both = (scores.reconstruction_map, scores.deformation_map)
        for k, part in enumerate(both):
            maps[k, found.index] = blur(part, config.score.sigma).cpu().numpy()
        terms[:, found.index] = found.columns()[1:3]
    return Seen(terms[0], terms[1], maps)


def frames_of(footage: Footage) -> list[np.ndarray]:
    """The image of every clip, or its tiles, one after the other."""
    return [footage.frames[clip.start + k] for clip in footage.clips for k in range(clip.length)]


def look_whole(detector: Detector, footage: Footage) -> Seen:
    """Judge the image of every clip, its tiles joined: the highest term, the maps blended."""
    seen, data = look(detector, frames_of(footage)), detector.config.data
    if data.tiles == 1:
        return seen
    count, each = len(footage.clips), data.tiles**2
    maps = room((2, count, data.canvas, data.canvas), np.float32)
    for k in range(2):
        for index in range(count):
            maps[k, index] = blend(seen.maps[k, index * each : (index + 1) * each], data.canvas)
    first, second = (
        term.reshape(count, each).max(1) for term in (seen.reconstruction, seen.deformation)
    )
    return Seen(first, second, maps)


def inspect(detector: Detector, test: LabelledFootage) -> Evaluation:
    """Score a labelled test split and draw up the ledger of images."""
    assert test.labels is not None
    config = detector.config
    seen = look_whole(detector, test.footage)
    ones = np.ones(len(test.labels), np.int64)
    terms = {"eq20": seen.reconstruction, "eq21": seen.deformation}
    scores = ScoreSet(
        {"score": seen.score(config.score.alpha)} | terms, test.labels, ones, 0.0, test.label_name
    )
    paper = paper_signals(config)
    signals = deployable(detector, seen)
    ledger = draw_up(
        scores,
        {name: seen.score(alpha) for name, alpha in paper.items()},
        signals,
        {budget: (STANDARDISED, level) for budget, level in detector.levels.items()},
    )
    rows = ledger.rows
    if test.masks:
        for name, alpha in paper.items():
            rows = rows + pixel_rows("paper", name, seen, alpha, test)
        rows = rows + pixel_rows("deployable", IMAGE_RAW, seen, config.score.alpha, test)
    first, second = paper
    rows = larger(rows, (first, second)) + rows
    return Evaluation(replace(ledger, rows=rows), scores, signals, detector.calibration)


def paper_signals(config: Config) -> dict[str, float]:
    """The paper's two scores and their α; which of them is taken, it says, is the larger."""
    alpha = paper_alpha(category(config))
    return {f"Eq. 22, α = {alpha:g}": alpha, WITHOUT: 0.0}


def category(config: Config) -> str:
    """What the images show, as their folder is called."""
    root = config.data.root
    return config.data.categories or (root.name if root else "")


def deployable(detector: Detector, seen: Seen) -> dict[str, np.ndarray]:
    """Signals that need no label, the one with a threshold first."""
    signals = {
        IMAGE_RAW: seen.score(detector.config.score.alpha),
        WITHOUT: seen.reconstruction,
        "Eq. 21": seen.deformation,
    }
    if detector.calibration is None:
        return signals
    scored = detector.calibration.scorer(seen.reconstruction, seen.deformation)
    return {STANDARDISED: scored, **signals}


def pixel_rows(
    block: BlockName, signal: str, seen: Seen, alpha: float, test: LabelledFootage
) -> list[Row]:
    """Pixel AUROC and AUPRO of Eq. 23 over the images that have a mask."""
    assert test.masks is not None
    metrics, used = PixelMetrics(), 0
    for index, clip in enumerate(test.footage.clips):
        for mask in test.masks(clip.name):
            metrics.update(seen.pixels(index, alpha), mask)
            used += 1
    if not used:
        return []  # no mask fits
    note = f"{used} of {len(test.footage.clips)} images"
    return [Row(block, signal, name, value, note) for name, value in metrics.figures().items()]


@dataclass(frozen=True)
class Choice:
    """α chosen by synthetic defects in good images that were not trained on."""

    alpha: float  # weight of the raw deformation term
    weight: float  # the same, where both terms have their spread in these images as unit
    tried: list[dict[str, float]]  # weight, alpha, image_AUROC and pixel_AUROC of each
    images: int  # good ones
    defects: int  # synthetic ones


def choose_alpha(detector: Detector, good: Footage) -> Choice:
    """Choose α where image and pixel AUROC on synthetic defects are best together.

    Where no α is clearly better than 0 the deformation is left out: a unit too small for what the
    fields measure would drown the error.

    Raises:
        DmadError: Fewer than two good images.
    """
    kept = frames_of(good)
    kept = [kept[i] for i in thin(np.arange(len(kept)), MOST)]
    require(len(kept) > 1, f"{len(kept)} good images are held out, too few to choose α by")
    made = [
        defective(image, kind, len(KINDS) * i + k)
        for i, image in enumerate(kept)
        for k, kind in enumerate(KINDS)
    ]
    made = [(image, mask) for image, mask in made if mask.any()]
    seen = look(detector, [*kept, *(image for image, _ in made)])
    empty = np.zeros((len(kept), *kept[0].shape[:2]), bool)
    masks = np.concatenate((empty, [mask for _, mask in made]))
    normal = (seen.reconstruction[: len(kept)], seen.deformation[: len(kept)])
    unit = Scorer.fit(*normal, 1.0).unit
    bent = seen.deformation.max() > seen.deformation.min()
    weights = WEIGHTS if bent else WEIGHTS[:1]
    tried = [tried_alpha(seen, masks, weight, weight * unit) for weight in weights]
    best = best_alpha(tried, len(kept) * len(made))
    return Choice(best["alpha"], best["weight"], tried, len(kept), len(made))


def best_alpha(tried: Sequence[dict[str, float]], pairs: int) -> dict[str, float]:
    """The best of what was tried, or the first where no other is clearly better.

    Args:
        tried: A line an α.
        pairs: Of a good image and a defect; a gain of few of them is chance.
    """
    worth = {one["weight"]: one["image_AUROC"] + one["pixel_AUROC"] for one in tried}
    best = weighing.clearly_best(worth, tried[0]["weight"], CHANCE / pairs)
    return next(one for one in tried if one["weight"] == best)


def tried_alpha(seen: Seen, masks: np.ndarray, weight: float, alpha: float) -> dict[str, float]:
    """How well an α finds synthetic defects, whose masks are (N, H, W); good images have none."""
    pixels = PixelMetrics()
    for index, mask in enumerate(masks):
        pixels.update(seen.pixels(index, alpha)[::COARSE, ::COARSE], mask[::COARSE, ::COARSE])
    labels = np.asarray(masks.any((1, 2)))
    found = {"image_AUROC": micro_auroc(seen.score(alpha), labels), "pixel_AUROC": pixels.auroc()}
    return {"weight": weight, "alpha": alpha, **found}


def image_terms(detector: Detector, good: Footage) -> HeldOut:
    """Raw terms of good images, each a clip of its own."""
    seen = look_whole(detector, good)
    count = len(seen.reconstruction)
    few = f"{count} good images are too few for a threshold; give three or more, better thirty"
    require(count >= LEAST, few)
    return HeldOut(seen.reconstruction, seen.deformation, np.ones(count, np.int64), 1.0)


def image_threshold(
    held: HeldOut, alpha: float, budget: Budget | str
) -> tuple[Calibration, dict[str, float]]:
    """The threshold for a false-positive rate, and those of `LEVELS`, from good images alone.

    Args:
        held: Terms of the good images.
        alpha: Of Eq. 22.
        budget: Such as "0.01/image".

    Raises:
        DmadError: A budget of events.
    """
    budget = Budget.parse(budget)
    require(
        budget.unit == "image",
        f"images have no hours or frames, so {budget} says nothing; write 0.01/image",
    )
    terms = (held.reconstruction, held.deformation)
    weight = alpha / Scorer.fit(*terms, 1.0).unit
    found, *others = (
        calibrate(*terms, held.clip_lengths, held.fps, wanted, weight=weight)
        for wanted in (budget, *LEVELS)
    )
    levels = {name: one.threshold for name, one in zip(LEVELS, others, strict=True)}
    return found, {str(budget): found.threshold} | levels
