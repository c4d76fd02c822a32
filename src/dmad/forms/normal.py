"""Normal footage for a threshold: named by a person, held out of training, or kept from before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmad.calibration.held_out import HeldOut
from dmad.config import DataConfig
from dmad.console import warn_about
from dmad.data.cache import read
from dmad.data.footage import ClipSource, Footage, digest, frame_rate, same_rate, unseen
from dmad.data.layouts.images import called_good
from dmad.data.splits import load_split
from dmad.data.zones import ALL, Zone
from dmad.errors import require
from dmad.forms.video.evaluation import score_clips
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult
from dmad.predict.images import named
from dmad.predict.video import clips_in, folder_names

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """What a threshold is for."""

    scene: str
    zone: Zone


def held_out(
    detector: Detector,
    before: Path,
    normal: Sequence[str | Path],
    more: Sequence[str | Path],
    data: DataConfig,
    fps: float,
    view: View,
) -> HeldOut:
    """Terms of the footage named; of the last calibration, or else the training's, without any.

    Args:
        detector: The model.
        before: File of the last calibration's terms, where there was one.
        normal: Clips and folders of them.
        more: The same, added to the footage.
        data: How they are decoded.
        fps: Frames a second, where they do not say.
        view: What is looked at.
    """
    if normal:
        held = terms_of(detector, unseen(read_clips(normal, data, view.scene)), fps, view.zone)
    elif before.is_file():
        held = HeldOut.read(before)
        require(
            not fps or bool(more) or same_rate(fps, held.fps),
            f"--fps {fps:g} is for clips that are named; the last ones have {held.fps:g} a second",
        )
    else:
        held = terms_of(detector, load_split(data, "held_out").footage, fps, view.zone)
    if not more:
        return held
    new = unseen(read_clips(more, data, view.scene), held.digests.tolist())
    return held.joined(terms_of(detector, new, fps, view.zone)) if new.clips else held


def read_images(sources: Sequence[str | Path], data: DataConfig) -> Footage:
    """Image files and folders of them, each good image a clip of one frame.

    Raises:
        DmadError: No images, or all lie in folders named abnormal or masks.
    """
    given = [named([Path(source)]) for source in sources]
    good = list(dict.fromkeys(file.path for files in given for file in called_good(files)))
    left = len({file.path for files in given for file in files}) - len(good)
    require(bool(good), f"all {left} images are called abnormal or masks by their folders")
    if left:
        logger.warning(f"{left} images left out, which their folders do not call good")
    return unseen(told(read([ClipSource(str(path), path) for path in good], data)))


def read_clips(sources: Sequence[str | Path], data: DataConfig, scene: str = "") -> Footage:
    """Videos, frame folders and folders of these, decoded; all of one view."""
    paths = [clip for source in sources for clip in clips_in(Path(source))]
    named = zip(folder_names(paths), paths, strict=True)
    return told(read([ClipSource(name, path, scene) for name, path in named], data))


def told(footage: Footage) -> Footage:
    """Footage, once people know what of it is missing."""
    warn_about(footage.skipped, logger)
    return footage


def terms_of(detector: Detector, normal: Footage, fps: float = 0.0, zone: Zone = ALL) -> HeldOut:
    """Raw terms of normal footage, in a zone of the view; `fps` where it does not say."""
    rate = frame_rate(normal.clips, fps or detector.config.data.fps)
    told = sorted({clip.fps for clip in normal.clips if clip.fps})
    if told and not same_rate(told[-1], told[0]):
        logger.warning(
            f"the clips run at {told[0]:g} to {told[-1]:g} frames a second; {rate:g} counts"
        )
    require(
        rate > 0,
        "the footage does not say how many frames a second it has; say so with --fps",
    )
    found = AnomalyResult.join(score_clips(detector, normal, zone=zone))
    lengths = np.array([clip.length for clip in normal.clips])
    digests = np.array([digest(normal, clip) for clip in normal.clips])
    return HeldOut(found.reconstruction, found.deformation, lengths, rate, digests)


def terms_beside(card: Path) -> Path:
    """Where the terms lie that the threshold in a card, or in a file of its own, was set on."""
    return card.with_name(f"{card.name.removesuffix('.json')}.npz")
