"""The cameras of `dmad watch`, from single sources or from YAML files with several cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from dmad.calibration.calibration import Calibration, read_calibration
from dmad.checked_files import read_yaml
from dmad.data.reading.sources import source_name
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require
from dmad.files import unique_names
from dmad.typed import typed
from dmad.watch.settings import CameraSettings

YAML = (".yaml", ".yml")
HIGHEST_RATE = 1000  # frames per second
ZONE_KEYS = ("include", "exclude")


@dataclass(frozen=True)
class Camera:
    """One source to watch.

    Args:
        source: Video file, folder of frames, webcam or URL; see `open_source`.
        name: Name in messages and files (default: made from the source).
        scene: Name of the view. If the model was not trained on this view, the background template
            is computed from the past frames of the camera.
        calibration: File that `dmad calibrate --out` wrote; None uses the threshold of the model.
        zone: The part of the view that is scored. `ALL` uses the zone of the calibration.
        fps: Frames per second that are scored. If the source has more, frames are dropped. If a
            recording does not state its frame rate, this value is used as its frame rate. 0: the
            frame rate of the calibration.
    """

    source: str
    name: str = ""
    scene: str = ""
    calibration: Path | None = None
    zone: Zone = ALL
    fps: float = 0.0

    def __post_init__(self) -> None:
        require(
            0 <= self.fps <= HIGHEST_RATE,
            f"fps is {self.fps}; give at most {HIGHEST_RATE}, or 0 for the rate of the calibration",
        )
        if not self.name:
            object.__setattr__(self, "name", source_name(self.source))
        require("/" not in self.name, f"camera {self.name}: leave out / in the name")
        for text in (self.source, self.name, self.scene):
            require("\0" not in text, f"camera {self.name!r}: leave out the null character")

    def read_calibration(self) -> Calibration | None:
        """Read the calibration file; None if no file is given."""
        return read_calibration(self.calibration, self.scene) if self.calibration else None


def cameras_from_sources(
    sources: Sequence[str], settings: CameraSettings, zone: Zone = ALL
) -> list[Camera]:
    """Return the cameras of all sources, each with a unique name.

    Args:
        sources: Sources as in `Camera`, and YAML files with several cameras.
        settings: The settings of all sources that are not YAML files.
        zone: The zone of all sources that are not YAML files.

    Raises:
        DmadError: A YAML file is invalid, or all sources are YAML files and settings are given.
    """
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    given = [name for name, value in [*values.items(), ("zone", zone)] if value]
    require(
        not given or not all(source.endswith(YAML) for source in sources),
        f"{', '.join(given)} would have no effect: all cameras are in YAML files; write the "
        "settings of each camera into its YAML file",
    )
    cameras: list[Camera] = []
    for source in sources:
        if source.endswith(YAML):
            cameras += read_cameras(Path(source))
        else:
            cameras.append(Camera(source, zone=zone, **values))
    names = unique_names(camera.name for camera in cameras)
    return [replace(camera, name=name) for camera, name in zip(cameras, names, strict=True)]


def read_cameras(path: Path) -> list[Camera]:
    """Return the cameras of a YAML file, which maps the name of a camera to a source or settings.

    Raises:
        DmadError: The file is missing or is not YAML, or a camera has an unknown or wrong setting.
    """
    tree = read_yaml(path)
    require(
        isinstance(tree, dict) and bool(tree),
        f"{path} lists no cameras; write one line for each camera, such as "
        "`gate: rtsp://host/stream`",
    )
    return [_camera_from_yaml(name, entry, path) for name, entry in tree.items()]


def _camera_from_yaml(name: str, entry: Any, path: Path) -> Camera:
    if isinstance(entry, str | int):  # an int is the number of a webcam
        entry = {"source": entry}
    entries = entry if isinstance(entry, dict) else {}
    known = ["source", *(field.name for field in fields(CameraSettings)), *ZONE_KEYS]
    unknown = ", ".join(str(key) for key in entries if key not in known)
    require(
        not unknown,
        f"{path}: camera {name} has unknown settings: {unknown}; known: {', '.join(known)}",
    )
    require("source" in entries, f"{path}: camera {name} has no source; give a path or URL")
    for key, value in entries.items():
        require(value is not None, f"{path}: camera {name} has an empty setting: {key}")
    try:
        values = {key: _typed_setting(key, value) for key, value in entries.items()}
        include, exclude = (_polygons(values.pop(key, [])) for key in ZONE_KEYS)
    except (DmadError, TypeError, ValueError, LookupError) as error:
        raise DmadError(f"{path}: camera {name} has a setting of a wrong type: {error}") from error
    if "calibration" in values:
        values["calibration"] = path.parent / values["calibration"]
    return Camera(name=name, zone=Zone.parse(include, exclude), **values)


def _typed_setting(key: str, value: Any) -> Any:
    if key in ZONE_KEYS:
        return value
    kind = get_type_hints(Camera)[key]
    if kind is str and isinstance(value, int):  # such as the number of a webcam
        advice = "put on, off, yes and no in quotes"
        require(not isinstance(value, bool), f"{key} is {str(value).lower()}, not text; {advice}")
        value = str(value)
    return typed(kind, value, key)


def _polygons(value: Any) -> list[str]:
    """Return polygons as text for `Zone.parse`. The value is text, or lists of corners."""
    if isinstance(value, str):
        return [value]
    if all(isinstance(item, str) for item in value):
        return list(value)
    polygons = value if isinstance(value[0][0], list) else [value]
    return [" ".join(f"{x},{y}" for x, y in polygon) for polygon in polygons]
