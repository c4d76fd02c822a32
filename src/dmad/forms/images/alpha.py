"""Choose α, the weight of the deformation of images, by synthetic defects in good images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmad.calibration.standardisation import Scorer
from dmad.data.footage import Footage, thin
from dmad.data.synthetic.defects import KINDS, defective
from dmad.errors import require
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.forms.images.evaluation import ScoredImages, frames_of, score_frames
from dmad.forms.video.weight import clearly_best
from dmad.inference.detector import Detector

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)  # weights of the standardised deformation that are tried
CHANCE_PAIRS = 3  # pairs of a good image and a defect whose order may be chance
MOST_IMAGES = 32  # held-out images or tiles that get synthetic defects, evenly spread
MAP_STEP = 4  # every fourth pixel of a map counts in the choice


@dataclass(frozen=True)
class AlphaChoice:
    """The α that was chosen, and what was tried."""

    alpha: float  # weight of the raw deformation term
    weight: float  # the same weight, with both terms in units of their spread in these images
    tried: list[dict[str, float]]  # weight, alpha, image_AUROC and pixel_AUROC of each
    images: int  # good images
    defects: int  # synthetic defects


def choose_alpha(detector: Detector, good: Footage) -> AlphaChoice:
    """Choose the α with the best image and pixel AUROC on synthetic defects.

    α is 0 unless another value is clearly better: with too small a unit for what the fields
    measure, the deformation would drown the error.

    Raises:
        DmadError: Fewer than two good images.
    """
    frames = frames_of(good)
    images = [frames[i] for i in thin(np.arange(len(frames)), MOST_IMAGES)]
    require(len(images) > 1, f"{len(images)} good images are held out, too few to choose α by")
    defects = _with_defects(images)
    scored = score_frames(detector, [*images, *(image for image, _ in defects)])
    no_defect = np.zeros((len(images), *images[0].shape[:2]), bool)
    masks = np.concatenate((no_defect, [mask for _, mask in defects]))
    normal = slice(len(images))
    unit = Scorer.fit(
        scored.reconstruction[normal], scored.deformation[normal], 1.0
    ).alpha_per_weight
    deformed = scored.deformation.max() > scored.deformation.min()
    weights = WEIGHTS if deformed else WEIGHTS[:1]
    tried = [try_alpha(scored, masks, weight, weight * unit) for weight in weights]
    best = best_alpha(tried, pairs=len(images) * len(defects))
    return AlphaChoice(best["alpha"], best["weight"], tried, len(images), len(defects))


def _with_defects(images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each image once with each kind of defect, and the mask of the defect."""
    made = [
        defective(image, kind, seed=len(KINDS) * i + k)
        for i, image in enumerate(images)
        for k, kind in enumerate(KINDS)
    ]
    return [(image, mask) for image, mask in made if mask.any()]


def best_alpha(tried: Sequence[dict[str, float]], pairs: int) -> dict[str, float]:
    """The best of the lines tried; the first unless another is clearly better.

    Args:
        tried: One line for each α.
        pairs: Number of pairs of a good image and a defect. A gain of a few pairs is chance.
    """
    worth = {one["weight"]: one["image_AUROC"] + one["pixel_AUROC"] for one in tried}
    best = clearly_best(worth, tried[0]["weight"], CHANCE_PAIRS / pairs)
    return next(one for one in tried if one["weight"] == best)


def try_alpha(
    scored: ScoredImages, masks: np.ndarray, weight: float, alpha: float
) -> dict[str, float]:
    """Image and pixel AUROC of one α on synthetic defects with masks (N, H, W)."""
    pixels = PixelMetrics()
    for index, mask in enumerate(masks):
        pixel_scores = scored.pixel_scores(index, alpha)
        pixels.update(pixel_scores[::MAP_STEP, ::MAP_STEP], mask[::MAP_STEP, ::MAP_STEP])
    labels = np.asarray(masks.any((1, 2)))
    image_auroc = micro_auroc(scored.score(alpha), labels)
    return {
        "weight": weight,
        "alpha": alpha,
        "image_AUROC": image_auroc,
        "pixel_AUROC": pixels.auroc(),
    }
