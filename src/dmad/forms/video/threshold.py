"""Set the threshold of a video model from normal clips only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dmad.calibration.alarms import AlarmShape
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.feedback import MarkedEvents, log_change, silence, with_threshold
from dmad.calibration.held_out import HeldOut, check_rate
from dmad.calibration.normal_places import NOWHERE, lost_sensitivity, require_small_loss
from dmad.calibration.request import CalibrationRequest
from dmad.calibration.store import CalibrationStore, terms_file
from dmad.calibration.synthetic import SyntheticTerms
from dmad.calibration.threshold import Evidence, calibration_of, gather
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
from dmad.forms.video.feedback import alarm_level, marked_places
from dmad.forms.video.weight import synthetic_terms
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult
from dmad.runs import ModelFiles

DEFAULT_BUDGET = "1/hour"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoredView:
    """The view that a threshold is for, and the part of the view that is scored."""

    scene: str
    zone: Zone


def calibrate(detector: Detector, files: ModelFiles, request: CalibrationRequest) -> Calibration:
    """Set the threshold from normal clips, and store it in the model's card or in `request.out`.

    Raises:
        DmadError: There is no normal footage, the frame rate of the footage is unknown, or options
            of the request contradict each other or the last calibration.
    """
    store = CalibrationStore(files, request.out)
    if request.undo:
        return store.undo()
    _check(request)
    previous = _previous_calibration(detector, request)
    request = _start_new_view(detector, request, previous)
    if previous and request.normal:
        return _mark_as_normal(detector, store, request, previous)
    require(not request.normal, "there is no threshold yet; set one from normal clips first")
    if previous and request.threshold is not None and not request.footage:
        stored = _last_terms(store)
        chosen = with_threshold(previous, request.threshold, _stored_evidence(stored, previous))
        return _replace(store, stored, previous, chosen)
    return _calibrate_on_footage(detector, store, request, previous)


def _calibrate_on_footage(
    detector: Detector,
    store: CalibrationStore,
    request: CalibrationRequest,
    previous: Calibration | None,
) -> Calibration:
    budget = _budget(request, previous)
    shape = request.alarm.applied_to(previous.shape if previous else AlarmShape())
    view = _view(request, previous)
    stored = _stored_terms(store.files, request)
    held, synthetic = _held_out(detector, stored, request, view)
    weight = _weight(detector, request, previous)
    evidence = gather(held, budget, shape, weight, synthetic)
    lowest = None if request.footage else _lowest(previous, evidence)
    calibration = replace(
        calibration_of(evidence, request.threshold, lowest=lowest),
        scene=view.scene,
        zone=view.zone,
        places=previous.places if previous and not request.footage else NOWHERE,
    )
    store.remember(previous)
    store.write_terms(held, synthetic)
    store.write(calibration)
    return calibration


def _lowest(previous: Calibration | None, evidence: Evidence) -> float | None:
    """The lowest threshold that the feedback of a user allows.

    Below this threshold, alarms that the user marked as normal come again. None: no alarm was
    marked as normal, or the scores or the settings of alarms have changed.
    """
    if previous is None or previous.lowest is None:
        return None
    if previous.scorer == evidence.scorer and previous.shape == evidence.shape:
        return previous.lowest
    logger.warning("scores have changed, so alarms that were marked as normal may come again")
    return None


def _last_terms(store: CalibrationStore) -> Path:
    """The file with the score terms (Eq. 12 and 13) of the last calibration. It may not exist."""
    return store.terms if store.path.is_file() else terms_file(store.files.card)


def _replace(
    store: CalibrationStore, stored: Path, previous: Calibration, new: Calibration
) -> Calibration:
    """Store a new calibration in place of the previous one, and return the new one.

    Both come from the same footage: the user chose a threshold, or marked alarms as normal. So the
    score terms of this footage are kept.

    Args:
        store: The files of the calibration.
        stored: File with the score terms of the footage. It may not exist.
        previous: The calibration that is replaced.
        new: The new calibration.
    """
    if new == previous and store.path.is_file():
        return previous
    store.remember(previous)
    if stored.is_file() and stored != store.terms:
        write_atomically(store.terms, stored.read_bytes())
    store.write(new)
    return new


def _stored_evidence(stored: Path, calibration: Calibration) -> Evidence | None:
    """Return the evidence for a calibration: the score terms of its footage, and its settings.

    Args:
        stored: File with the score terms. If it does not exist, the result is None.
        calibration: The calibration.
    """
    if not stored.is_file():
        return None
    held, synthetic = HeldOut.read(stored), SyntheticTerms.read(stored)
    return gather(held, calibration.budget, calibration.shape, calibration.scorer.weight, synthetic)


def _mark_as_normal(
    detector: Detector, store: CalibrationStore, request: CalibrationRequest, previous: Calibration
) -> Calibration:
    """Change the calibration so that the clips and events in `request.normal` raise no alarm."""
    marked = MarkedEvents.from_request(request)
    view = _view(request, previous)
    changed = replace(previous, scene=view.scene, zone=view.zone)
    levels = [event.score for event in marked.events]
    stored = _last_terms(store)
    if marked.files:
        data = with_locations(detector.config.data, request.root, request.cache)
        footage = without_repeats(read_clips(marked.files, data, request.scene or view.scene))
        rate = frame_rate(footage.clips, request.fps or previous.fps)
        check_rate(rate, previous.fps)
    if request.only_here:
        require(
            len(detector.scenes) < 2 or request.out is not None,
            "the model has several views, and places belong to one view; give scene and out",
        )
        require(
            len(marked.files) == len(request.normal),
            "an id does not show the places of an event; with only_here, name its film",
        )
        changed = replace(changed, places=marked_places(detector, footage, changed))
        require_small_loss(previous.places, changed.places, request.force)
        _log_places(previous, changed)
        return _replace(store, stored, previous, changed)
    if marked.files:
        levels.append(alarm_level(detector, footage, changed))
    changed = silence(changed, max(levels), _stored_evidence(stored, previous), request.force)
    log_change(previous, changed, marked.past)
    return _replace(store, stored, previous, changed)


def _log_places(old: Calibration, new: Calibration) -> None:
    """Log which share of the view has become less sensitive, and by which factor."""
    lost = lost_sensitivity(old.places, new.places)
    what = "what was marked raises no alarm"
    if lost:
        what = (
            f"in {lost.share:.0%} of the view, an anomaly must now be stronger, by a factor of up "
            f"to {lost.factor:.1f}"
        )
    logger.info(f"{what}; the threshold {old.threshold:.3f} stays")


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
    """The calibration in the file `request.out`, or else the calibration of the model.

    None if there is no calibration yet.
    """
    out = request.out
    if out is None:
        return detector.calibration
    require(not out.is_dir(), f"{out} is a folder; give --out a file, such as gate.json")
    make_folder(out.absolute().parent)
    if not out.is_file():
        return detector.calibration
    return read_calibration(out, request.scene if request.normal else None)


def _budget(request: CalibrationRequest, previous: Calibration | None) -> Budget:
    """Return the budget: the number of false alarms that the user accepts.

    It comes from the request, or else from the last calibration, or else from the default.
    """
    last = previous.budget if previous else DEFAULT_BUDGET
    budget = Budget.parse(request.false_alarms or last, share_of="frame")
    require(budget.unit != "image", f"{budget} is for images; for video give 1/day or 0.001/frame")
    return budget


def _weight(detector: Detector, request: CalibrationRequest, previous: Calibration | None) -> float:
    """Return the weight of the deformation in the calibrated score.

    It comes from the request, or else from the last calibration, or else from the settings.
    """
    if request.weight is not None:
        return request.weight
    if previous:
        return previous.scorer.weight
    return float(detector.config.score.weight)


def _start_new_view(
    detector: Detector, request: CalibrationRequest, previous: Calibration | None
) -> CalibrationRequest:
    """Return the request. If its view is new, its normal clips become footage for a threshold.

    `request.normal` names clips in which alarms were wrong. A new view has no threshold and so no
    alarms. So its clips are moved to `request.footage`. A view is new if the model was neither
    trained nor calibrated on it. For another view, the request is unchanged.
    """
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


def _view(request: CalibrationRequest, previous: Calibration | None) -> ScoredView:
    """The view of the request, or else of the last calibration (in `request.out` or the card)."""
    new_footage = bool(request.footage)
    if previous is None or (new_footage and not _own_file(request.out)):
        return ScoredView(request.scene, request.zone)
    require(
        new_footage or request.zone in (ALL, previous.zone),
        "the last footage was scored in another part of the view; name normal clips for this part, "
        "without --normal",
    )
    scene = request.scene if request.out else ""
    return ScoredView(scene or previous.scene, request.zone or previous.zone)


def _stored_terms(files: ModelFiles, request: CalibrationRequest) -> Path:
    """The file with the score terms (Eq. 12 and 13) of the last calibration's footage.

    The file may not exist.
    """
    if request.out is None or not _own_file(request.out):
        return terms_file(files.card)
    stored = terms_file(request.out)
    require(
        bool(request.footage) or stored.is_file(),
        f"{stored} is missing; put it back beside {request.out}, or name all clips again",
    )
    return stored


def _held_out(
    detector: Detector, stored: Path, request: CalibrationRequest, view: ScoredView
) -> tuple[HeldOut, SyntheticTerms | None]:
    """Return the score terms of normal footage, and of synthetic anomalies made from this footage.

    The request may name the footage. If it names none, the terms of the last calibration are used
    again. If these are missing, the footage that was held out from training is scored. The second
    result is None if no synthetic anomalies can be made, or if only a zone of the view is scored.
    """
    if not request.footage and stored.is_file():
        held = HeldOut.read(stored)
        require(
            not request.fps or same_rate(request.fps, held.fps),
            f"fps {request.fps:g} is given without clips; the last footage has {held.fps:g} frames "
            "per second",
        )
        return held, SyntheticTerms.read(stored)
    data = with_locations(detector.config.data, request.root, request.cache)
    seen = ScoredView(request.scene or view.scene, view.zone)
    if request.footage:
        footage = without_repeats(read_clips(request.footage, data, seen.scene))
    else:
        footage = load_split(data, "held_out").footage
    held = terms_of(detector, footage, request.fps, seen.zone)
    made = None if seen.zone else synthetic_terms(detector, footage, held.fps)
    return held, made


def read_clips(sources: Sequence[str | Path], data: DataConfig, scene: str = "") -> Footage:
    """Decode clips of one view: videos, folders of frames, and folders that contain these."""
    clips = [clip for source in sources for clip in find_clips(Path(source))]
    named = zip(clip_names(clips), clips, strict=True)
    footage = decode_clips([ClipSource(name, path, scene) for name, path in named], data)
    warn_about(footage.skipped, logger)
    return footage


def terms_of(detector: Detector, normal: Footage, fps: float = 0.0, zone: Zone = ALL) -> HeldOut:
    """Compute both terms of the raw score (Eq. 12 and 13) of normal footage.

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
