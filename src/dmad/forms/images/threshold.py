"""Set the threshold of a model of images from good images only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.feedback import MarkedEvents, log_change, silence
from dmad.calibration.held_out import HeldOut
from dmad.calibration.request import CalibrationRequest
from dmad.calibration.standardisation import Scorer
from dmad.calibration.store import CalibrationStore
from dmad.calibration.synthetic import SyntheticTerms
from dmad.calibration.threshold import Evidence, calibration_of, gather
from dmad.config import DataConfig
from dmad.console import warn_about
from dmad.data.cache import decode_clips
from dmad.data.footage import ClipSource, Footage, clip_digest, thin, without_repeats
from dmad.data.inputs import find_images
from dmad.data.layouts.image_masks import with_masks
from dmad.data.layouts.images import good_images
from dmad.data.locations import with_locations
from dmad.data.splits import FEWEST_HELD_OUT, load_split
from dmad.data.synthetic.defects import KINDS, defective
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require
from dmad.forms.images.evaluation import frames_of, score_frames, score_images
from dmad.inference.detector import Detector
from dmad.runs import ModelFiles

DEFAULT_BUDGET = "0.01/image"
REPORTED_BUDGETS = ("0.01/image", "0.02/image", "0.05/image")  # also in the table of results
MOST_WITH_DEFECTS = 8  # good images, evenly spread, that get synthetic defects of each kind

Part = tuple[Detector, Footage]  # a detector, and good images that it has not seen
UnseenImages = Callable[[Detector, DataConfig], Iterable[Part]]  # see `unseen` of `calibrate`

logger = logging.getLogger(__name__)


def held_out_images(detector: Detector, data: DataConfig) -> Iterable[Part]:
    """Return a list with one pair: the detector, and the images held out from its training.

    It is a list because recipe `patches` may have several pairs.

    Raises:
        DmadError: The images are missing, or none were held out.
    """
    return [(detector, load_split(data, "held_out").footage)]


def calibrate(
    detector: Detector,
    files: ModelFiles,
    request: CalibrationRequest,
    unseen: UnseenImages = held_out_images,
) -> Calibration:
    """Set the threshold from good images, and store it in the model's card.

    Instead, the request may ask to undo the last change, or to raise the threshold until some
    images are judged good.

    Args:
        detector: The model.
        files: Its files.
        request: The options of the calibration.
        unseen: Function that returns pairs: a detector, and good images of the data set that this
            detector has not seen. These images are used if the request names no images.

    Raises:
        DmadError: There are too few good images, or the request contains an option or a budget for
            video.
    """
    refused = ", ".join(request.of_video)
    require(not refused, f"{refused}: for video only; leave it out for images")
    store = CalibrationStore(files)
    if request.undo:
        return store.undo()
    previous = detector.calibration
    if previous and request.normal:
        return _mark_as_normal(detector, store, request, previous)
    require(not request.normal, "there is no threshold yet; set one from good images first")
    zone = request.zone or (previous.zone if previous else ALL)
    held, synthetic = _held_out(detector, store, request, zone, unseen)
    alpha = detector.config.score.alpha
    budget = request.false_alarms or (previous.budget if previous else DEFAULT_BUDGET)
    evidence = image_evidence(held, alpha, budget, synthetic)
    lowest = previous.lowest if previous and not request.footage else None
    calibration = calibration_of(evidence, request.threshold, lowest=lowest)
    calibration = replace(calibration, zone=zone)
    store.remember(previous, levels=dict(detector.levels))
    store.write_terms(held, synthetic)
    store.write(calibration, levels=image_levels(held, alpha, calibration.budget))
    return calibration


def _mark_as_normal(
    detector: Detector, store: CalibrationStore, request: CalibrationRequest, previous: Calibration
) -> Calibration:
    """Raise the threshold until the images in `request.normal` are judged good."""
    marked = MarkedEvents.from_request(request)
    levels = [event.score for event in marked.events]
    if marked.files:
        data = with_locations(detector.config.data, request.root, request.cache)
        scored = score_images(detector, read_images(marked.files, data), previous.zone)
        levels.append(float(previous.score(scored.reconstruction, scored.deformation).max()))
    evidence = None
    if store.terms.is_file():
        held, synthetic = store.read_terms()
        evidence = image_evidence(held, detector.config.score.alpha, previous.budget, synthetic)
    changed = silence(previous, max(levels), evidence, request.force)
    log_change(previous, changed, marked.past)
    if changed != previous:
        levels_of_rates = dict(detector.levels)
        store.remember(previous, levels=levels_of_rates)
        store.write(changed, levels=levels_of_rates)
    return changed


def _held_out(
    detector: Detector,
    store: CalibrationStore,
    request: CalibrationRequest,
    zone: Zone,
    unseen: UnseenImages,
) -> tuple[HeldOut, SyntheticTerms | None]:
    """Return the score terms of good images, and of synthetic defects in these images.

    The request may name the images. If it names none, the terms of the last calibration are used
    again. If these are missing or come from another zone, the images of `unseen` are scored.
    """
    last = detector.calibration
    if not request.footage and store.terms.is_file() and last and last.zone == zone:
        return store.read_terms()
    parts = list(_good_images(detector, request, unseen))
    return image_terms(parts, zone), synthetic_terms(parts, zone)


def synthetic_terms(parts: Sequence[Part], zone: Zone = ALL) -> SyntheticTerms:
    """Draw synthetic defects of every kind into some images of `parts`, and score them.

    A part is a detector with good images that it has not seen. If the images are cut into tiles,
    the zone is not used, because it needs all tiles of an image.
    """
    images = [(detector, image) for detector, good in parts for image in frames_of(good)]
    chosen = [images[i] for i in thin(np.arange(len(images)), MOST_WITH_DEFECTS)]
    scored = []
    for index, (detector, image) in enumerate(chosen):
        defects = [
            defective(image, kind, index + k * len(chosen))[0] for k, kind in enumerate(KINDS)
        ]
        is_whole = detector.config.data.tiles == 1  # a zone needs all tiles of an image
        scored.append(score_frames(detector, defects, zone if is_whole else ALL))
    count = len(KINDS) * len(chosen)
    return SyntheticTerms(
        np.concatenate([one.reconstruction for one in scored])[:, None],
        np.concatenate([one.deformation for one in scored])[:, None],
        np.tile(KINDS, len(chosen)),
        plain=np.ones(count, bool),
    )


def _good_images(
    detector: Detector, request: CalibrationRequest, unseen: UnseenImages
) -> Iterable[Part]:
    """Return pairs of a detector and good images.

    The request may name the images. If it names none, the pairs of `unseen` are returned.
    """
    data = with_locations(detector.config.data, request.root, request.cache)
    if not request.footage:
        return unseen(detector, data)
    good = read_images(request.footage, data)
    warn_about(_trained_on(good, detector.config.data), logger)
    return [(detector, good)]


def read_images(sources: Sequence[str | Path], data: DataConfig) -> Footage:
    """Read image files and folders of images. Each good image becomes a clip of one frame.

    Raises:
        DmadError: There are no images, or their folders or masks mark none of them as good.
    """
    given = [with_masks(find_images([Path(source)])).files for source in sources]
    good = list(
        dict.fromkeys((file.path, file.page) for files in given for file in good_images(files))
    )
    left_out = len({(file.path, file.page) for files in given for file in files}) - len(good)
    reason = f"{left_out} images left out, because their folders or masks do not mark them as good"
    require(bool(good), f"no good image is found: {reason}; give good images")
    if left_out:
        logger.warning("%s", reason)
    images = [
        ClipSource(f"{path}-page-{page + 1}" if page else str(path), path, page=page)
        for path, page in good
    ]
    footage = decode_clips(images, data)
    warn_about(footage.skipped, logger)
    return without_repeats(footage)


def _trained_on(good: Footage, trained: DataConfig) -> list[str]:
    """Return a warning if the model was trained on some of the good images; else an empty list.

    If the training images are missing, this is not known. Then the list is empty too.
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


def image_terms(parts: Sequence[Part], zone: Zone = ALL) -> HeldOut:
    """Compute both raw terms of the good images of all `parts`.

    Each image becomes a clip of one frame. A part is a detector with good images that it has not
    seen.
    """
    scored = [score_images(detector, good, zone) for detector, good in parts]
    count = sum(len(one.reconstruction) for one in scored)
    require(
        count >= FEWEST_HELD_OUT,
        f"{count} good images are too few for a threshold; give at least three, better thirty",
    )
    return HeldOut(
        np.concatenate([one.reconstruction for one in scored]),
        np.concatenate([one.deformation for one in scored]),
        np.ones(count, np.int64),
        fps=1.0,
    )


def image_evidence(
    held: HeldOut, alpha: float, budget: Budget | str, synthetic: SyntheticTerms | None = None
) -> Evidence:
    """Return the evidence: the scores of good images, from which a threshold is chosen.

    Args:
        held: Terms of the good images.
        alpha: α of Eq. 22.
        budget: The false-positive rate, such as "0.01/image".
        synthetic: Terms of synthetic defects.

    Raises:
        DmadError: The budget is a number of events in a time, or a share of frames.
    """
    budget = Budget.parse(budget)
    require(
        budget.unit == "image",
        f"images have no hours or frames, so {budget} has no meaning; give 0.01/image",
    )
    weight = alpha / Scorer.fit(held.reconstruction, held.deformation, 1.0).alpha_per_weight
    return gather(held, budget, weight=weight, synthetic=synthetic)


def image_levels(held: HeldOut, alpha: float, budget: Budget) -> dict[str, float]:
    """Return the thresholds for `budget` and for three usual budgets, by the text of the budget."""
    names = dict.fromkeys((str(budget), *REPORTED_BUDGETS))
    return {name: image_evidence(held, alpha, name).threshold for name in names}
