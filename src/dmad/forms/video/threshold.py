"""Set the threshold of a video model from normal clips only."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dmad.calibration.alarms import AlarmShape
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.request import CalibrationRequest
from dmad.calibration.threshold import choose_threshold
from dmad.config import DataConfig
from dmad.console import warn_about
from dmad.data.cache import decode_clips
from dmad.data.footage import (
    ClipSource,
    Footage,
    clip_digest,
    frame_rate,
    same_rate,
    without_repeats,
)
from dmad.data.inputs import clip_names, find_clips
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.data.zones import ALL, Zone
from dmad.errors import require
from dmad.files import make_folder, write_atomically
from dmad.forms.video.evaluation import score_clips
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult
from dmad.runs import ModelFiles, update_card

DEFAULT_BUDGET = "1/hour"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """The view that a threshold is for, and the part of the view that is scored."""

    scene: str
    zone: Zone


def calibrate(detector: Detector, files: ModelFiles, request: CalibrationRequest) -> Calibration:
    """Set the threshold from normal clips, and store it in the model's card or in `request.out`.

    Raises:
        DmadError: No footage was held out, its frame rate is unknown, or options of the request
            contradict each other or the last calibration.
    """
    _check(request)
    previous = _previous_calibration(detector, request)
    budget = _budget(request, previous)
    last_shape = previous.shape if previous else AlarmShape()
    shape = request.alarm.applied_to(last_shape)
    request = _start_new_view(detector, request, previous)
    view = _view(request, previous)
    held = _held_out(detector, _stored_terms(files, request), request, view)
    weight = _weight(detector, request, previous)
    chosen = choose_threshold(held, budget, shape, weight)
    calibration = replace(chosen, scene=view.scene, zone=view.zone)
    _store(files, request.out, held, calibration)
    return calibration


def _check(request: CalibrationRequest) -> None:
    named = bool(request.footage or request.normal)
    require(
        named or not request.scene,
        f"scene {request.scene} is given without clips; name clips of this view",
    )
    require(
        bool(request.out or not request.zone),
        "include and exclude are for one camera; store its threshold with --out FILE",
    )


def _previous_calibration(detector: Detector, request: CalibrationRequest) -> Calibration | None:
    """The calibration in the file `out`, or else that of the model."""
    out = request.out
    if out is None:
        return detector.calibration
    require(not out.is_dir(), f"{out} is a folder; give --out a file, such as gate.json")
    make_folder(out.absolute().parent)
    if not out.is_file():
        return detector.calibration
    return read_calibration(out, request.scene if request.normal else None)


def _budget(request: CalibrationRequest, previous: Calibration | None) -> Budget:
    """The budget of the request, or else of the last calibration, or else the default."""
    last = previous.budget if previous else DEFAULT_BUDGET
    budget = Budget.parse(request.false_alarms or last)
    require(budget.unit != "image", f"{budget} is for images; for video give 1/day or 0.001/frame")
    return budget


def _weight(detector: Detector, request: CalibrationRequest, previous: Calibration | None) -> float:
    """The weight in the request, or else in the last calibration, or else in the settings."""
    if request.weight is not None:
        return request.weight
    if previous:
        return previous.scorer.weight
    return float(detector.config.score.weight)


def _start_new_view(
    detector: Detector, request: CalibrationRequest, previous: Calibration | None
) -> CalibrationRequest:
    """Use the normal clips as footage if their view was neither trained on nor calibrated."""
    known = previous is not None and previous.scene == request.scene
    new_view = bool(request.scene) and detector.needs_template(request.scene) and not known
    if not (new_view and request.normal):
        return request
    require(
        request.out is not None,
        f"view {request.scene} was not in the training; store its threshold with --out FILE",
    )
    return replace(request, footage=[*request.footage, *request.normal], normal=())


def _own_file(out: Path | None) -> bool:
    return out is not None and out.is_file()


def _view(request: CalibrationRequest, previous: Calibration | None) -> View:
    """The view of the request, or else of the last calibration (in `request.out` or the card)."""
    new_footage = bool(request.footage)
    if previous is None or (new_footage and not _own_file(request.out)):
        return View(request.scene, request.zone)
    require(
        new_footage or request.zone in (ALL, previous.zone),
        "the last footage was scored in another part of the view; name all clips again, without "
        "--normal",
    )
    scene = request.scene if request.out else ""
    return View(scene or previous.scene, request.zone or previous.zone)


def _stored_terms(files: ModelFiles, request: CalibrationRequest) -> Path:
    """The file with the score terms of the last calibration's footage. It may not exist."""
    if request.out is None or not _own_file(request.out):
        return terms_file(files.card)
    stored = terms_file(request.out)
    require(
        bool(request.footage) or stored.is_file(),
        f"{stored} is missing; put it back beside {request.out}, or name all clips again",
    )
    return stored


def terms_file(card: Path) -> Path:
    """Return the path of the score terms that belong to a card or a calibration file."""
    return card.with_name(f"{card.name.removesuffix('.json')}.npz")


def _store(files: ModelFiles, out: Path | None, held: HeldOut, calibration: Calibration) -> None:
    """Write the score terms, then the threshold that was set from them."""
    held.write(terms_file(out or files.card))
    if out:
        write_atomically(out, json.dumps(calibration.to_dict(), indent=1))
    else:
        update_card(files, {"calibration": calibration.to_dict()})


def _held_out(detector: Detector, stored: Path, request: CalibrationRequest, view: View) -> HeldOut:
    """Score terms of the footage in the request, or else of the last calibration's footage, or
    else of the footage held out from training.
    """
    data = with_locations(detector.config.data, request.root, request.cache)
    seen = View(request.scene or view.scene, view.zone)
    if request.footage:
        footage = without_repeats(read_clips(request.footage, data, seen.scene))
        held = terms_of(detector, footage, request.fps, seen.zone)
    elif stored.is_file():
        held = HeldOut.read(stored)
        require(
            not request.fps or bool(request.normal) or same_rate(request.fps, held.fps),
            f"fps {request.fps:g} is given without clips; the last footage has {held.fps:g} frames "
            "per second",
        )
    else:
        held = terms_of(detector, load_split(data, "held_out").footage, request.fps, seen.zone)
    if not request.normal:
        return held
    new = without_repeats(read_clips(request.normal, data, seen.scene), held.digests.tolist())
    if not new.clips:
        return held
    return held.joined(terms_of(detector, new, request.fps, seen.zone))


def read_clips(sources: Sequence[str | Path], data: DataConfig, scene: str = "") -> Footage:
    """Decode videos, folders of frames, and folders of these, all of one view."""
    clips = [clip for source in sources for clip in find_clips(Path(source))]
    named = zip(clip_names(clips), clips, strict=True)
    footage = decode_clips([ClipSource(name, path, scene) for name, path in named], data)
    warn_about(footage.skipped, logger)
    return footage


def terms_of(detector: Detector, normal: Footage, fps: float = 0.0, zone: Zone = ALL) -> HeldOut:
    """Compute both raw score terms of normal footage.

    Args:
        detector: The model.
        normal: The clips.
        fps: Frames per second, if the footage does not state them.
        zone: The part of the view that is scored.
    """
    rate = frame_rate(normal.clips, fps or detector.config.data.fps)
    rates = sorted({clip.fps for clip in normal.clips if clip.fps})
    if rates and not same_rate(rates[-1], rates[0]):
        message = "the clips have %g to %g frames per second; %g is used"
        logger.warning(message, rates[0], rates[-1], rate)
    require(rate > 0, "the frame rate of the footage is unknown; give it with --fps")
    result = AnomalyResult.join(score_clips(detector, normal, zone=zone))
    lengths = np.array([clip.length for clip in normal.clips])
    digests = np.array([clip_digest(normal, clip) for clip in normal.clips])
    return HeldOut(result.reconstruction, result.deformation, lengths, rate, digests)
