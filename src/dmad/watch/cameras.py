"""Cameras and their settings: from the command line, or many in one YAML file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any

from dmad.calibration.calibration import Calibration, read_calibration
from dmad.data.reading.sources import plain_name
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require
from dmad.files import no_two_alike

YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Camera:
    """One source to watch.

    Args:
        source: As `open_source` takes it.
        name: In lines and files; from the source where empty.
        scene: View trained on; one the model does not know gets its template from its own past.
        calibration: File that `dmad calibrate --out` wrote; the model's own where None.
        zone: What of the view counts; that of the calibration where none is said.
        fps: Frames a second: of a recording that does not say, and to which faster ones are
            thinned; that of the calibration where 0.
    """

    source: str
    name: str = ""
    scene: str = ""
    calibration: Path | None = None
    zone: Zone = ALL
    fps: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.fps < inf, f"fps is {self.fps}; give 0 (as calibrated) or more")
        if not self.name:
            object.__setattr__(self, "name", plain_name(self.source))
        require("/" not in self.name, f"camera {self.name}: its name is that of files; leave out /")

    def read_calibration(self) -> Calibration | None:
        """Its own, from the file; None where it has none."""
        return read_calibration(self.calibration, self.scene) if self.calibration else None


def read_cameras(path: Path) -> list[Camera]:
    """Cameras of a YAML file: a mapping from each name to its settings, or to its source alone.

    Raises:
        DmadError: No such file, no YAML, or a setting that no camera has.
    """
    import yaml

    try:
        text = path.read_text()
        tree, node = yaml.safe_load(text), yaml.compose(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DmadError(f"{path} is not readable: {' '.join(str(error).split())}") from error
    require(
        isinstance(tree, dict) and bool(tree),
        f"{path} lists no cameras; write one a line, `gate: rtsp://host/stream`, or a mapping of "
        "its settings",
    )
    twice = ", ".join(_twice(node))
    require(not twice, f"{path} says {twice} twice in one place, and only the last would count")
    return [_camera(str(name), entry, path) for name, entry in tree.items()]


def _twice(node: Any) -> list[str]:
    """Keys that come more than once in one mapping of a YAML file: cameras, or their settings."""
    if not isinstance(node.value, list):
        return []
    if node.id == "sequence":
        return [key for inner in node.value for key in _twice(inner)]
    keys = [key.value for key, _ in node.value]
    again = sorted({key for key in keys if keys.count(key) > 1})
    return again + [key for _, inner in node.value for key in _twice(inner)]


def _camera(name: str, entry: Any, path: Path) -> Camera:
    if isinstance(entry, str | int):
        entry = {"source": entry}
    require(isinstance(entry, dict), f"{path}: camera {name} has no source; give a path or URL")
    entries: dict[str, Any] = dict(entry)
    sides = ("include", "exclude")
    known = [field.name for field in fields(Camera) if field.name not in ("name", "zone")]
    known += sides
    unknown = ", ".join(sorted(map(str, set(entries) - set(known))))
    require(not unknown, f"{path}: camera {name} has {unknown}; known: {known}")
    require("source" in entries, f"{path}: camera {name} has no source; give a path or URL")
    try:
        zone = Zone.parse(*(_corners(entries.pop(side, [])) for side in sides))
        if "calibration" in entries:
            entries["calibration"] = path.parent / entries["calibration"]
        words = {word: str(entries.get(word, "")) for word in ("source", "scene")}
        require("None" not in words.values(), f"{path}: camera {name} has an empty setting")
        fps = float(entries.get("fps", 0))
    except (TypeError, ValueError, LookupError) as error:
        raise DmadError(f"{path}: camera {name} has a setting of another kind: {error}") from error
    return Camera(**{**entries, **words, "fps": fps, "name": name, "zone": zone})


def _corners(given: Any) -> list[str]:
    """Polygons as text, one or several, from text or from lists of pairs."""
    if isinstance(given, str):
        return [given]
    if all(isinstance(item, str) for item in given):
        return list(given)
    polygons = given if isinstance(given[0][0], list) else [given]
    return [" ".join(f"{x},{y}" for x, y in polygon) for polygon in polygons]


def named_apart(cameras: list[Camera]) -> list[Camera]:
    """The same cameras, none named as another."""
    names = no_two_alike(camera.name for camera in cameras)
    return [replace(camera, name=name) for camera, name in zip(cameras, names, strict=True)]
