"""Choose α, the weight of the deformation in an image score, with synthetic defects."""

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
CHANCE_PAIRS = 3  # number of pairs (good image, defect) whose order may be random
MOST_IMAGES = 32  # held-out images or tiles, evenly spread, that get synthetic defects
MAP_STEP = 4  # only every fourth row and column of a map is used


@dataclass(frozen=True)
class AlphaChoice:
    """The chosen α, and the results of each α that was tried."""

    alpha: float  # weight of the raw deformation term
    weight: float  # the same weight for terms that are divided by their spread
    tried: list[dict[str, float]]  # for each: weight, alpha, image_AUROC, pixel_AUROC
    images: int  # number of good images
    defects: int  # number of images with synthetic defects


def choose_alpha(detector: Detector, good: Footage) -> AlphaChoice:
    """Choose the α with the largest sum of image and pixel AUROC on synthetic defects.

    The synthetic defects are drawn into good images.

    α is 0 if no other value is clearly better. This is a precaution for models whose fields are
    almost zero in good images. The deformation term of such a model has a very small spread. The
    tried values of α are divided by this spread. So the deformation would count much more than the
    reconstruction.

    Raises:
        DmadError: There are fewer than two good images.
    """
    frames = frames_of(good)
    images = [frames[i] for i in thin(np.arange(len(frames)), MOST_IMAGES)]
    require(len(images) > 1, f"{len(images)} good image is held out; α needs two or more")
    defects = with_defects(images)
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


def with_defects(images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw each kind of defect into a copy of each image.

    Copies in which no defect is visible are left out.

    Returns:
        The copies (H, W, C) uint8, each with the mask (H, W) of its defect.
    """
    made = [
        defective(image, kind, seed=len(KINDS) * i + k)
        for i, image in enumerate(images)
        for k, kind in enumerate(KINDS)
    ]
    return [(image, mask) for image, mask in made if mask.any()]


def best_alpha(tried: Sequence[dict[str, float]], pairs: int) -> dict[str, float]:
    """Return the result of the best α. This is the first α (0) if no other is clearly better.

    Args:
        tried: The result of each α.
        pairs: Number of pairs of a good image and a defect. A gain of a few pairs may be random.
    """
    worth = {one["weight"]: one["image_AUROC"] + one["pixel_AUROC"] for one in tried}
    best = clearly_best(worth, tried[0]["weight"], CHANCE_PAIRS / pairs)
    return next(one for one in tried if one["weight"] == best)


def try_alpha(
    scored: ScoredImages, masks: np.ndarray, weight: float, alpha: float
) -> dict[str, float]:
    """Return a dictionary with `weight`, `alpha`, `image_AUROC` and `pixel_AUROC` for one α.

    Args:
        scored: N images: good images, and images with synthetic defects.
        masks: (N, H, W) bool: True at the defects.
        weight: The weight of the standardised deformation. It is only copied into the result.
        alpha: α of Eq. 22 and 23.
    """
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
