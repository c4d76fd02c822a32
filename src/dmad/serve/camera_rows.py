"""The cameras in the database."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from dmad.data.reading.sources import SCHEMES, source_name
from dmad.data.zones import Zone
from dmad.errors import DmadError, require
from dmad.serve.store import Store
from dmad.watch.cameras import Camera

LONGEST_NAME, LONGEST_SOURCE = 60, 2000  # characters
MOST_CAMERAS = 64
MOST_POLYGONS, MOST_CORNERS = 20, 100
DEVICE = re.compile(r"(/dev/video)?\d{1,2}")


@dataclass(frozen=True)
class StoredCamera:
    """A camera of the console."""

    number: int
    model: str  # name of its model; empty: the first one for video
    camera: Camera

    @property
    def shown_source(self) -> str:
        """The address without user and password, and without a path that may hold a secret."""
        return source_name(self.camera.source)


class CameraRows:
    """Reads and writes the cameras.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def all(self) -> list[StoredCamera]:
        """Return all cameras, the oldest first."""
        rows = self.store.read("SELECT * FROM cameras ORDER BY number")
        return [_camera_of(row) for row in rows]

    def get(self, number: int) -> StoredCamera | None:
        """Return a camera; None if there is none with this number."""
        rows = self.store.read("SELECT * FROM cameras WHERE number = ?", [number])
        return _camera_of(rows[0]) if rows else None

    def add(self, camera: Camera, model: str = "") -> StoredCamera:
        """Store a new camera.

        Raises:
            DmadError: There is a camera of this name, or there are too many.
        """
        (count,) = self.store.read("SELECT count(*) FROM cameras")[0]
        require(count < MOST_CAMERAS, f"there are {count} cameras; remove one first")
        entries = _entries(camera, model)
        query = f"INSERT INTO cameras ({', '.join(entries)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        try:
            with self.store.writing() as connection:
                number = connection.execute(query, list(entries.values())).lastrowid
        except sqlite3.IntegrityError as error:
            raise DmadError(f"a camera is called {camera.name}; give another name") from error
        assert number is not None
        return StoredCamera(number, model, camera)

    def change(self, stored: StoredCamera) -> None:
        """Replace the settings of a camera.

        Raises:
            DmadError: Another camera has this name.
        """
        entries = _entries(stored.camera, stored.model)
        changes = ", ".join(f"{name} = ?" for name in entries)
        try:
            with self.store.writing() as connection:
                connection.execute(
                    f"UPDATE cameras SET {changes} WHERE number = ?",
                    [*entries.values(), stored.number],
                )
        except sqlite3.IntegrityError as error:
            raise DmadError(
                f"a camera is called {stored.camera.name}; give another name"
            ) from error

    def remove(self, number: int) -> None:
        """Remove a camera. Its events stay."""
        with self.store.writing() as connection:
            connection.execute("DELETE FROM cameras WHERE number = ?", [number])

    def add_missing(self, cameras: Iterable[Camera]) -> list[StoredCamera]:
        """Store the cameras whose names are not stored yet. Return the new ones."""
        known = {stored.camera.name for stored in self.all()}
        return [self.add(camera) for camera in cameras if camera.name not in known]


def camera_from_form(form: Mapping[str, Any], present: Camera | None = None) -> Camera:
    """Return the camera that a form of the page describes.

    Args:
        form: `name`, `source`, `scene`, `fps`, and `include` and `exclude`: lists of polygons, each
            a list of corners [x, y] from 0 to 1. An entry that is missing stays as it is.
        present: The camera that is changed. None: a new camera.

    Raises:
        DmadError: An entry is missing or wrong.
    """
    require(isinstance(form, Mapping), "give a JSON object with the settings of the camera")
    known = ("name", "source", "scene", "fps", "include", "exclude", "model")
    unknown = ", ".join(str(name)[:40] for name in form if name not in known)
    require(not unknown, f"a camera has no {unknown}; known: {', '.join(known)}")
    camera = present or Camera("0", "new")
    name = _text(form, "name", camera.name if present else "", LONGEST_NAME)
    require(
        bool(name.strip()) and name.isprintable() and not name.startswith("."),
        "a camera needs a name of letters, digits and spaces",
    )
    source = _text(form, "source", "", LONGEST_SOURCE).strip()
    if source:
        require_address(source)
    else:
        require(present is not None, "give the address of the camera, such as rtsp://host/stream")
        source = camera.source
    fps = form.get("fps", camera.fps)
    is_number = isinstance(fps, int | float) and not isinstance(fps, bool) and isfinite(fps)
    require(is_number, "fps is no number; give frames per second, or 0 for the usual rate")
    zone = camera.zone
    if "include" in form:
        zone = replace(zone, include=_polygons(form["include"], "include"))
    if "exclude" in form:
        zone = replace(zone, exclude=_polygons(form["exclude"], "exclude"))
    scene = _text(form, "scene", camera.scene, LONGEST_NAME)
    return replace(camera, name=name.strip(), source=source, scene=scene, fps=float(fps), zone=zone)


def require_address(source: str) -> None:
    """Check that the source of a camera is an address of the network or a webcam.

    Files of this machine are refused: whoever can open the page could read them. They can be named
    in the file that `--cameras` names.

    Raises:
        DmadError: It is something else.
    """
    scheme, divider, rest = source.partition("://")
    is_url = bool(divider and rest) and scheme.lower() in SCHEMES and source.isprintable()
    require(
        is_url or DEVICE.fullmatch(source) is not None,
        f"the address must begin with {', '.join(f'{name}://' for name in SCHEMES)}, or be a "
        "webcam such as /dev/video0; name files in the YAML file of --cameras",
    )


def _text(form: Mapping[str, Any], key: str, default: str, longest: int) -> str:
    value = form.get(key, default)
    require(isinstance(value, str), f"{key} is no text; give a text")
    require(len(value) <= longest, f"{key} is too long; give at most {longest} characters")
    return str(value)


def _polygons(value: Any, key: str) -> tuple[tuple[tuple[float, float], ...], ...]:
    advice = f"{key} is no list of polygons; give [[[x, y], [x, y], [x, y]], …] from 0 to 1"
    require(isinstance(value, list) and len(value) <= MOST_POLYGONS, advice)
    polygons = []
    for polygon in value:
        require(isinstance(polygon, list) and len(polygon) <= MOST_CORNERS, advice)
        for corner in polygon:
            is_pair = isinstance(corner, list) and len(corner) == 2
            require(is_pair and all(type(number) in (int, float) for number in corner), advice)
        polygons.append(tuple((float(x), float(y)) for x, y in polygon))
    return tuple(polygons)


def _entries(camera: Camera, model: str) -> dict[str, Any]:
    return {
        "name": camera.name,
        "source": camera.source,
        "scene": camera.scene,
        "fps": camera.fps,
        "include": json.dumps(camera.zone.include),
        "exclude": json.dumps(camera.zone.exclude),
        "model": model,
    }


def _camera_of(row: sqlite3.Row) -> StoredCamera:
    include, exclude = (
        tuple(tuple((x, y) for x, y in polygon) for polygon in json.loads(row[key]))
        for key in ("include", "exclude")
    )
    camera = Camera(
        source=row["source"],
        name=row["name"],
        scene=row["scene"],
        fps=row["fps"],
        zone=Zone(include, exclude),
    )
    return StoredCamera(row["number"], row["model"], camera)
