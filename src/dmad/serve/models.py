"""The models of the console, and the thresholds that were changed in it."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dmad import api
from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.feedback import silence, with_threshold
from dmad.calibration.normal_places import NOWHERE, NormalPlaces
from dmad.calibration.store import CalibrationStore
from dmad.checked_files import read_mapping
from dmad.errors import DmadError, require
from dmad.files import unique_names, write_atomically
from dmad.inference.detector import Detector
from dmad.runs import ModelFiles, find_model

logger = logging.getLogger(__name__)

THRESHOLDS = "thresholds"  # folder of the thresholds
PLACES_LEFT_OUT = "places_left_out"  # entry of a stored calibration whose places were removed
ADVICE = "set the threshold again"
TIME = re.compile(r"\d{8}-\d{6}")  # the name of a run folder begins with such a time
NOT_A_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, eq=False)
class Model:
    """A model that the console uses, either for cameras or for the inspection of images."""

    name: str  # short, without special characters; no other model has this name
    files: ModelFiles
    detector: Detector
    digest: str  # hash of the weights; a changed threshold is used only with the same weights

    @property
    def judges_images(self) -> bool:
        """True for a model of images, False for one of video."""
        return self.detector.form.judges == "images"


def load_models(runs: Sequence[str]) -> list[Model]:
    """Load models, and give each model a unique name.

    Raises:
        DmadError: A model does not exist or cannot be loaded.
    """
    require(bool(runs), "no model is given; name one, such as `dmad serve ped2`")
    detectors = [api.load(run) for run in runs]
    names = unique_names(map(name_of, runs, detectors))
    files = [find_model(run) for run in runs]
    return [
        Model(name, found, detector, found.digest[:12])
        for name, found, detector in zip(names, files, detectors, strict=True)
    ]


def name_of(run: str, detector: Detector) -> str:
    """Return a short name of a model: the name of its folder or file.

    If this name says nothing about the model, such as a time or `latest`, the category of the
    training data is returned. If there is no category, the recipe is returned.
    """
    name = Path(run).stem if run.endswith(".safetensors") else Path(run).name
    if name in ("", ".", "..", "latest", "model") or TIME.match(name):
        name = getattr(detector.config.data, "categories", "") or detector.config.recipe
    return NOT_A_NAME.sub("-", name)


@dataclass(frozen=True)
class ThresholdChange:
    """A change of a threshold, or of the less sensitive places of a camera.

    At less sensitive places of the view, scores count less.
    """

    before: Calibration
    after: Calibration
    places_left_out: bool = False  # True if `undo` did not restore places of an old picture

    @property
    def old(self) -> float:
        """The threshold before the change."""
        return self.before.threshold

    @property
    def new(self) -> float:
        """The threshold after the change."""
        return self.after.threshold


class OwnThreshold:
    """Stores the threshold of one camera, or of the inspection with one model.

    A changed threshold is written to a file in the folder of the console. The model does not
    change.

    Args:
        model: The model.
        key: First part of the name of this file, such as "camera-3".
        folder: The folder of the console.
    """

    def __init__(self, model: Model, key: str, folder: Path) -> None:
        path = folder / THRESHOLDS / f"{key}-{model.digest}.json"
        self._store = CalibrationStore(model.files, path)
        self._default = model.detector.calibration
        self._lock = threading.Lock()  # held from reading the present calibration to writing

    @property
    def calibration(self) -> Calibration | None:
        """The changed calibration, or else the calibration of the model. None: no threshold."""
        path = self._store.path
        if not path.is_file():
            return self._default
        try:
            return read_calibration(path)
        except DmadError as error:
            logger.warning(f"{error}; the threshold of the model is used")
            return self._default

    @property
    def can_undo(self) -> bool:
        """True if an earlier threshold is stored, so that `undo` can restore it."""
        return bool(self._store.earlier())

    def start_with(self, calibration: Calibration) -> None:
        """Store a calibration, if the console has not stored another one already."""
        if not self._store.path.is_file():
            self._store.path.parent.mkdir(parents=True, exist_ok=True)
            self._store.write(calibration)

    def silence(self, level: float, force: bool = False) -> ThresholdChange:
        """Raise the threshold just enough that a score raises no alarm.

        The threshold is never lowered.

        Args:
            level: The score.
            force: True: the threshold may become more than twice as high.

        Raises:
            DmadError: There is no threshold, or the threshold would rise too much.
        """
        return self._replace(lambda old: silence(old, level, None, force))

    def choose(self, threshold: float) -> ThresholdChange:
        """Set a threshold that a person has chosen.

        Raises:
            DmadError: There is no threshold that could be changed.
        """
        return self._replace(lambda old: with_threshold(old, threshold, None))

    def use_places(self, places_for: Callable[[Calibration], NormalPlaces]) -> ThresholdChange:
        """Change the less sensitive places. The threshold stays.

        Args:
            places_for: Returns the new places for the present calibration.

        Raises:
            DmadError: There is no threshold.
        """
        return self._replace(lambda old: replace(old, places=places_for(old)))

    def forget_places(self) -> bool:
        """Remove the less sensitive places, because the camera shows another picture now.

        From now on, `undo` restores no places that were stored before this call.

        Returns:
            True if the present calibration had a less sensitive place, else False.
        """
        with self._lock:
            for path in self._store.earlier():
                _remove_places(path)
            old = self.calibration
            if old is None or not old.places:
                return False
            new = replace(old, places=NOWHERE)
            self._store.path.parent.mkdir(parents=True, exist_ok=True)
            self._store.remember(new, **{PLACES_LEFT_OUT: True})
            self._store.write(new)
            return True

    def undo(self) -> ThresholdChange:
        """Restore the threshold and the less sensitive places that the last change replaced.

        Places that `forget_places` has removed are not restored.

        Raises:
            DmadError: There is no earlier threshold.
        """
        with self._lock:
            old = self._present()
            require(self.can_undo, "the threshold was not changed here; there is nothing to undo")
            entries = read_mapping(self._store.earlier()[-1], ADVICE)
            new = self._store.undo()
            return ThresholdChange(old, new, bool(entries.get(PLACES_LEFT_OUT)))

    def _present(self) -> Calibration:
        present = self.calibration
        require(
            present is not None, "the model has no threshold; set one with `dmad calibrate RUN`"
        )
        assert present is not None
        return present

    def _replace(self, change: Callable[[Calibration], Calibration]) -> ThresholdChange:
        with self._lock:
            old = self._present()
            new = replace(change(old), scene=old.scene, zone=old.zone)
            if new != old:
                self._store.path.parent.mkdir(parents=True, exist_ok=True)
                self._store.remember(old)
                self._store.write(new)
            return ThresholdChange(old, new)


def _remove_places(path: Path) -> None:
    """Remove the less sensitive places from the file of an earlier calibration.

    The entry `PLACES_LEFT_OUT` of the file then says that they were removed.
    """
    try:
        entries = read_mapping(path, ADVICE)
        calibration = Calibration.from_dict(entries["calibration"])
    except (DmadError, AttributeError, KeyError):
        return  # the file is damaged, so `undo` refuses it
    if calibration.places:
        changed = replace(calibration, places=NOWHERE).to_dict()
        write_atomically(
            path, json.dumps(entries | {"calibration": changed, PLACES_LEFT_OUT: True})
        )
