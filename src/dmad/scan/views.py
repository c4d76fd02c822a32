"""The views of an archive: their names for the model, their thresholds and their frame rates.

This module does not need torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from dmad.calibration.calibration import Calibration
from dmad.config import config_of_card
from dmad.data.templates import template_index
from dmad.errors import require
from dmad.form import Form
from dmad.forms import form_of
from dmad.runs import find_model, read_card
from dmad.scan.addresses import is_address
from dmad.watch.cameras import Camera


@dataclass(frozen=True)
class View:
    """What is needed to judge the sources of one view."""

    scene: str  # name of the view for the model
    calibration: Calibration | None  # None: there is no threshold
    fps: float = 0.0  # frames per second of sources that do not state it; 0: unknown


class Views:
    """The views of an archive.

    Args:
        scenes: Names of the views that the model was trained on.
        calibration: The threshold of the model, if it has one.
        cameras: Cameras with their own scene, threshold, zone and frame rate. Their `source` says
            which files belong to them: a folder, a pattern of paths, or the name of a view.
        scene: Name of the view that all sources show, except those of cameras with their own scene.
            "": if the model was trained on a single view, this view; else the view with the name of
            the camera or of the folder.
    """

    def __init__(
        self,
        scenes: Sequence[str],
        calibration: Calibration | None,
        cameras: Sequence[Camera] = (),
        scene: str = "",
    ) -> None:
        self.scenes, self.scene = tuple(scenes), scene
        self._default = calibration
        self._cameras = {camera.name: camera for camera in cameras}
        self._known: dict[str, View] = {}

    def name_of(self, path: str, view: str) -> str:
        """Return the name of the camera that a source belongs to. Without a camera, return `view`.

        Args:
            path: The source.
            view: The name of its view, from the names of its folders.
        """
        for camera in self._cameras.values():
            if camera.source == view or _fits(path, camera.source):
                return camera.name
        return view

    def of(self, view: str) -> View:
        """Return the scene, threshold and frame rate of a view.

        Raises:
            DmadError: The threshold file of a camera cannot be read.
        """
        if view not in self._known:
            self._known[view] = self._view(view)
        return self._known[view]

    def needs_template(self, view: str) -> bool:
        """True if the background template of a view comes from past frames.

        This is so if the model was not trained on the view. For a model without background
        templates, the result has no meaning.
        """
        return template_index(self.of(view).scene, self.scenes) is None

    def _view(self, view: str) -> View:
        camera = self._cameras.get(view)
        scene = (camera.scene if camera else "") or self.scene or self._scene_named(view)
        if camera is None:
            return View(scene, self._default)
        calibration = camera.read_calibration() or self._default
        if camera.zone:
            require(
                calibration is not None,
                f"camera {camera.name} has a zone and no threshold; set one with `dmad calibrate`",
            )
            assert calibration is not None
            calibration = replace(calibration, zone=camera.zone)
        return View(scene, calibration, camera.fps)

    def _scene_named(self, view: str) -> str:
        if view in self.scenes:
            return view
        return "" if len(self.scenes) == 1 else view


def _fits(path: str, source: str) -> bool:
    """True if `source` is the path, a folder that contains the path, or a pattern that matches."""
    place = source if is_address(source) else os.path.abspath(source)
    return path == place or path.startswith(f"{place.rstrip('/')}/") or fnmatchcase(path, place)


@dataclass(frozen=True)
class ModelCard:
    """What is known about a model without loading its weights."""

    config: Any
    form: Form[Any, Any]
    scenes: tuple[str, ...]
    calibration: Calibration | None

    @classmethod
    def read(cls, name: str) -> ModelCard:
        """Read the card of a model.

        Raises:
            DmadError: There is no such model, or its card is damaged.
        """
        card = read_card(find_model(name))
        config = config_of_card(card)
        tree = card.get("calibration")
        calibration = Calibration.from_dict(tree) if tree else None
        return cls(config, form_of(config), tuple(card["scenes"]), calibration)
