"""Stores the cameras of the console in the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dmad.data.reading.sources import source_name
from dmad.data.zones import Zone
from dmad.errors import DmadError, require
from dmad.serve.store import Store
from dmad.watch.cameras import Camera

MOST_CAMERAS = 64


@dataclass(frozen=True)
class StoredCamera:
    """A camera of the console, as the database stores it."""

    number: int
    model: str  # name of its model; empty: the first model of video
    camera: Camera

    @property
    def shown_source(self) -> str:
        """The address without user and password, and without a path that may hold a secret."""
        return source_name(self.camera.source)


class CameraRows:
    """Reads cameras from the database, and writes them to it.

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
            DmadError: Another camera has this name, or there are too many cameras.
        """
        (count,) = self.store.read("SELECT count(*) FROM cameras")[0]
        require(count < MOST_CAMERAS, f"there are {count} cameras; remove one first")
        entries = _entries(camera, model)
        query = f"INSERT INTO cameras ({', '.join(entries)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        try:
            with self.store.writing() as connection:
                number = connection.execute(query, list(entries.values())).lastrowid
        except sqlite3.IntegrityError as error:
            raise DmadError(_name_is_used(camera.name)) from error
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
            raise DmadError(_name_is_used(stored.camera.name)) from error

    def remove(self, number: int) -> None:
        """Remove a camera. Its events stay."""
        with self.store.writing() as connection:
            connection.execute("DELETE FROM cameras WHERE number = ?", [number])

    def add_missing(self, cameras: Iterable[Camera]) -> list[StoredCamera]:
        """Store the cameras whose names are not stored yet. Return these cameras."""
        known = {stored.camera.name for stored in self.all()}
        return [self.add(camera) for camera in cameras if camera.name not in known]


def _name_is_used(name: str) -> str:
    return f"there is already a camera with the name {name}; give another name"


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
