"""A trained model's threshold, from normal footage alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

from dmad.calibration.budget import Budget
from dmad.calibration.held_out import HeldOut
from dmad.calibration.threshold import AlarmShape, Calibration, read_calibration
from dmad.calibration.threshold import calibrate as choose_threshold
from dmad.config import Config, DataConfig
from dmad.console import warn_about
from dmad.data.footage import Footage, digest
from dmad.data.splits import load_split, lying
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require
from dmad.files import make_folder, write_whole
from dmad.forms.images.evaluation import IMAGE_BUDGET, choose_alpha, image_terms, image_threshold
from dmad.forms.normal import View, held_out, read_images, terms_beside
from dmad.forms.video.weight import weigh
from dmad.inference.detector import Detector, load
from dmad.runs import find_model, has_model, read_card, read_config
from dmad.training.train import train

logger = logging.getLogger(__name__)

BUDGET = "1/hour"  # of videos

FOR_VIDEO = (
    "--normal, --out, --fps, --weight, --scene, --include, --exclude and --alarm.* are for video; "
    "name all good images"
)


def calibrate(
    run: str | Path,
    normal: Sequence[str | Path] = (),
    budget: Budget | str = "",
    alarm: Mapping[str, float] | None = None,
    root: Path | None = None,
    cache: Path | None = None,
    fps: float = 0.0,
    weight: float | None = None,
    more: Sequence[str | Path] = (),
    out: Path | None = None,
    scene: str = "",
    zone: Zone = ALL,
) -> Calibration:
    """Set a run's threshold from normal footage, and keep it in `model.json`.

    Args:
        run: Run folder, export, .safetensors file, or name of a shipped model with `out`.
        normal: Normal clips not trained on, or folders of them; where empty the footage of the last
            calibration, or what the training held out.
        budget: False alarms that are acceptable, such as "1/day", or for images "0.01/image"; where
            empty that of the last calibration of video, or `BUDGET` and `IMAGE_BUDGET`.
        alarm: What counts as one alarm, some fields of `AlarmShape`; the others as in the last
            calibration.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
        fps: Frames a second, where the footage does not say.
        weight: Of the standardised deformation; that of the last calibration where None, or where
            there was none the run's `score.weight`.
        more: Clips that were alarms and are normal: added to that footage, each once; of a view
            never trained on, that was not calibrated before, they are all there is. Video only.
        out: File to keep it in, for one camera of several, in place of `model.json`.
        scene: Name of the view of all these clips, as in `dmad predict`; video only.
        zone: What counts of the view, with `out`; that of the last calibration where none is said.

    Raises:
        DmadError: No such run, nothing held out, frames a second unknown, the model ships with the
            project and no `out` is given, or a zone is said without one or for a part of the
            footage.
    """
    normal, more = ([it] if isinstance(it, str | Path) else it for it in (normal, more))
    files = find_model(run)
    stays = f"{run} ships with the project and stays as it is; keep the threshold with --out FILE"
    require(bool(out) or not files.shipped, stays)
    _sensible(fps=fps, weight=weight or 0)
    require(bool(not scene or normal or more), "--scene is the view of the clips named; name some")
    require(bool(out or not zone), "a zone is of one camera: keep its threshold with --out FILE")
    detector = load(run)
    data = lying(detector.config.data, root, cache)
    if detector.config.model.teacher:
        require(not (more or out or fps or alarm or scene or zone or weight is not None), FOR_VIDEO)
        return _of_images(run, detector, normal, data, budget)
    detector.calibration = last = _last(out, detector, scene if more else None)
    budget = _of_time(budget or (last.budget if last else BUDGET))
    shape = replace(AlarmShape.of(last) if last else AlarmShape(), **(alarm or {}))
    if more and scene and detector.needs_template(scene) and not (last and last.scene == scene):
        normal, more = _all_anew(normal, more, scene, out), ()
    view = _view(scene, zone, last, out, bool(normal))
    before = _before(files.card, out, bool(normal))
    seen = replace(view, scene=scene or view.scene)
    held = held_out(detector, before, normal, more, data, fps, seen)
    weight = detector.weight if weight is None else weight
    terms = (held.reconstruction, held.deformation, held.clip_lengths, held.fps)
    found = replace(choose_threshold(*terms, budget, shape, weight), **vars(view))
    _keep(run, out, held, found)
    return found


def _sensible(**numbers: float) -> None:
    for name, value in numbers.items():
        require(0 <= value < inf, f"--{name} is {value:g}; give 0 or more")


def _before(card: Path, out: Path | None, anew: bool) -> Path:
    """Where the terms of the last calibration lie, if there was one."""
    if not (out and out.is_file()):
        return terms_beside(card)
    before = terms_beside(out)
    require(
        anew or before.is_file(),
        f"{before} is not there any more; put it back beside {out}, or name all clips anew",
    )
    return before


def _keep(run: str | Path, out: Path | None, held: HeldOut, found: Calibration) -> None:
    """Write the terms, and then the threshold that was set on them."""
    held.write(terms_beside(out or find_model(run).card))
    if out:
        write_whole(out, json.dumps(found.to_dict(), indent=1))
    else:
        note(run, {"calibration": found.to_dict()})


def _all_anew(
    normal: Sequence[str | Path], more: Sequence[str | Path], scene: str, out: Path | None
) -> list[str | Path]:
    """The clips of a view never trained on, which begins with its own."""
    require(bool(out), f"view {scene} was not trained on; keep its threshold with --out FILE")
    return [*normal, *more]


def _view(scene: str, zone: Zone, last: Calibration | None, out: Path | None, anew: bool) -> View:
    """What the threshold is for: as it is said, else as in a camera's own file, or as before."""
    if last is None or (anew and not (out and out.is_file())):
        return View(scene, zone)
    require(
        anew or zone in (ALL, last.zone),
        "the last footage was looked at in another zone; name all clips anew, not by --normal",
    )
    return View((scene if out else "") or last.scene, zone or last.zone)


def _of_time(budget: Budget | str) -> Budget:
    """A budget that video can keep to."""
    budget = Budget.parse(budget)
    require(budget.unit != "image", f"{budget} is for images; of video say 1/day or 0.001/frame")
    return budget


def _last(out: Path | None, detector: Detector, scene: str | None) -> Calibration | None:
    """What was calibrated before, in the file `out` or else with the model."""
    if out is None:
        return detector.calibration
    require(not out.is_dir(), f"{out} is a folder; give --out a file, such as gate.json")
    make_folder(out.absolute().parent)
    return read_calibration(out, scene) if out.is_file() else detector.calibration


def _of_images(
    run: str | Path,
    detector: Detector,
    normal: Sequence[str | Path],
    data: DataConfig,
    budget: Budget | str,
) -> Calibration:
    last, kept = detector.calibration, terms_beside(find_model(run).card)
    if not normal and kept.is_file():
        held = HeldOut.read(kept)
    else:
        good = read_images(normal, data) if normal else load_split(data, "held_out").footage
        warn_about(among_trained(good, detector.config.data) if normal else [], logger)
        held = image_terms(detector, good)
    budget = budget or (last.budget if last else IMAGE_BUDGET)
    found, levels = image_threshold(held, detector.config.score.alpha, budget)
    held.write(kept)
    note(run, {"calibration": found.to_dict(), "levels": levels})
    return found


def among_trained(good: Footage, trained: DataConfig) -> list[str]:
    """What is to be said of good images that were trained on; nothing where these are gone."""
    try:
        known = load_split(trained, "train").footage
    except DmadError:
        return []
    seen = {digest(known, clip) for clip in known.clips}
    if not (count := sum(digest(good, clip) in seen for clip in good.clips)):
        return []
    few = "scores of these are low, and the threshold with them: name others"
    return [f"{count} of {len(good.clips)} images were trained on; {few}"]


def complete(config: Config, folder: Path) -> None:
    """Train the run that a folder is, and set its threshold, as far as that is not done."""
    if not has_model(folder):
        train(config, resume=folder)
    set_threshold(folder)


def set_threshold(run: Path) -> None:
    """Calibrate a model without threshold on what its training held out; else say why not."""
    config = read_config(run)
    if not config.data.held_out or "calibration" in read_card(find_model(run)):
        return
    try:
        root, cache = config.data.root, config.data.cache  # which may be said anew since
        weight = choose(run, root, cache) if config.score.choose else None
        show_threshold(calibrate(run, root=root, cache=cache, weight=weight))
    except DmadError as error:
        logger.warning(f"no threshold was set: {error}")


def choose(run: str | Path, root: Path | None = None, cache: Path | None = None) -> float | None:
    """Choose by synthetic anomalies in what was held out, and keep it in `model.json`.

    Returns:
        The weight of the deformation of a video; None of images, whose α is kept with the model.

    Raises:
        DmadError: No such run, or nothing held out.
    """
    detector = load(run)
    normal = load_split(lying(detector.config.data, root, cache), "held_out").footage
    if detector.config.model.teacher:
        note(run, {"choice": asdict(choose_alpha(detector, normal))})
        return None
    try:
        found = weigh(detector, normal)
    except DmadError as error:
        logger.warning(str(error))
        return detector.config.score.weight
    note(run, {"weighing": asdict(found)})
    return found.weight


def note(run: str | Path, entries: Mapping[str, Any]) -> None:
    """Write entries into a run's `model.json`."""
    files = find_model(run)
    write_whole(files.card, json.dumps(read_card(files) | dict(entries), indent=1))


def show_threshold(calibration: Calibration) -> None:
    """Log a threshold, and what to know about it."""
    low, high = calibration.interval
    source = f"{calibration.frames} good images"
    if calibration.budget.unit != "image":
        frames = f"{calibration.frames} frames at {calibration.fps:g} a second"
        source = f"{calibration.clips} normal clip{'s' * (calibration.clips != 1)}, {frames}"
    logger.info(
        f"threshold {calibration.threshold:.3f} for {calibration.budget} "
        f"(90 % interval {low:.3f} to {high:.3f}), from {source}"
    )
    for warning in calibration.warnings:
        logger.warning(warning)
