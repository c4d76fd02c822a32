"""Set the threshold of a model of images from good images only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.request import CalibrationRequest
from dmad.calibration.standardisation import Scorer
from dmad.calibration.threshold import choose_threshold
from dmad.config import DataConfig
from dmad.console import warn_about
from dmad.data.cache import decode_clips
from dmad.data.footage import ClipSource, Footage, clip_digest, without_repeats
from dmad.data.inputs import find_images
from dmad.data.layouts.images import good_images
from dmad.data.locations import with_locations
from dmad.data.splits import FEWEST_HELD_OUT, load_split
from dmad.errors import DmadError, require
from dmad.forms.images.evaluation import score_images
from dmad.forms.video.threshold import terms_file
from dmad.inference.detector import Detector
from dmad.runs import ModelFiles, update_card

DEFAULT_BUDGET = "0.01/image"
REPORTED_BUDGETS = ("0.01/image", "0.02/image", "0.05/image")  # also in the table of results

logger = logging.getLogger(__name__)


def calibrate(detector: Detector, files: ModelFiles, request: CalibrationRequest) -> Calibration:
    """Set the threshold from good images, and store it in the model's card.

    Raises:
        DmadError: There are too few good images, or the request contains an option or a budget that
            only video has.
    """
    refused = ", ".join(request.of_video)
    require(not refused, f"{refused}: for video only; for images, name all good images")
    previous, stored = detector.calibration, terms_file(files.card)
    if not request.footage and stored.is_file():
        held = HeldOut.read(stored)
    else:
        held = image_terms(detector, _good_images(detector, request))
    budget = request.false_alarms or (previous.budget if previous else DEFAULT_BUDGET)
    calibration, levels = image_threshold(held, detector.config.score.alpha, budget)
    held.write(stored)
    update_card(files, {"calibration": calibration.to_dict(), "levels": levels})
    return calibration


def _good_images(detector: Detector, request: CalibrationRequest) -> Footage:
    """The images of the request, or else those held out from training."""
    data = with_locations(detector.config.data, request.root, request.cache)
    if not request.footage:
        return load_split(data, "held_out").footage
    good = read_images(request.footage, data)
    warn_about(_trained_on(good, detector.config.data), logger)
    return good


def read_images(sources: Sequence[str | Path], data: DataConfig) -> Footage:
    """Read image files and folders of images. Each good image becomes a clip of one frame.

    Raises:
        DmadError: There are no images, or all are in folders named abnormal or masks.
    """
    given = [find_images([Path(source)]) for source in sources]
    good = list(dict.fromkeys(file.path for files in given for file in good_images(files)))
    left_out = len({file.path for files in given for file in files}) - len(good)
    require(bool(good), f"all {left_out} images are in folders named abnormal or masks")
    if left_out:
        logger.warning("%d images left out, because their folders are not named good", left_out)
    footage = decode_clips([ClipSource(str(path), path) for path in good], data)
    warn_about(footage.skipped, logger)
    return without_repeats(footage)


def _trained_on(good: Footage, trained: DataConfig) -> list[str]:
    """A warning if the model was trained on some of the good images.

    Without the training images this is not known, and there is no warning.
    """
    try:
        known = load_split(trained, "train").footage
    except DmadError:
        return []
    seen = {clip_digest(known, clip) for clip in known.clips}
    count = sum(clip_digest(good, clip) in seen for clip in good.clips)
    if not count:
        return []
    return [
        f"{count} of {len(good.clips)} images were trained on, so their scores and the threshold "
        "are too low; name other images"
    ]


def image_terms(detector: Detector, good: Footage) -> HeldOut:
    """Compute both raw terms of good images. Each image is a clip of one frame."""
    scored = score_images(detector, good)
    count = len(scored.reconstruction)
    require(
        count >= FEWEST_HELD_OUT,
        f"{count} good images are too few for a threshold; give at least three, better thirty",
    )
    ones = np.ones(count, np.int64)
    return HeldOut(scored.reconstruction, scored.deformation, ones, fps=1.0)


def image_threshold(
    held: HeldOut, alpha: float, budget: Budget | str
) -> tuple[Calibration, dict[str, float]]:
    """Return the threshold for a false-positive rate, and thresholds for `REPORTED_BUDGETS`.

    Args:
        held: Terms of the good images.
        alpha: α of Eq. 22.
        budget: The false-positive rate, such as "0.01/image".

    Raises:
        DmadError: The budget is a number of events in a time, or a share of frames.
    """
    budget = Budget.parse(budget)
    require(
        budget.unit == "image",
        f"images have no hours or frames, so {budget} has no meaning; give 0.01/image",
    )
    weight = alpha / Scorer.fit(held.reconstruction, held.deformation, 1.0).alpha_per_weight
    chosen = choose_threshold(held, budget, weight=weight)
    levels = {str(budget): chosen.threshold}
    for reported in REPORTED_BUDGETS:
        levels[reported] = choose_threshold(held, reported, weight=weight).threshold
    return chosen, levels
