"""Starts and stops the parts of the console: database, models, cameras and inspection stations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dmad.files import make_folder
from dmad.locks import locked
from dmad.serve.camera_rows import CameraRows
from dmad.serve.camera_watch import WORKING, CameraParts, CameraWatch
from dmad.serve.event_rows import EventRows
from dmad.serve.hub import Hub
from dmad.serve.inspection import Station
from dmad.serve.models import THRESHOLDS, Model
from dmad.serve.part_rows import PARTS, PartRows
from dmad.serve.retention import Limits, Retention
from dmad.serve.settings import ServeSettings
from dmad.serve.store import Store
from dmad.watch.cameras import Camera
from dmad.watch.event_media import CLIPS, THUMBNAILS
from dmad.watch.sinks import Sink

UNFINISHED = ".dmad-*.part*"  # names of files that are being written


class Console:
    """The console of `dmad serve`: a web page for cameras and for the inspection of images.

    Use the console in a `with` statement.

    Args:
        settings: The network address of the console, its folder, and how long films are kept.
        models: The models.
        cameras: Cameras to add. A camera whose name is stored already is ignored.
        sinks: Receivers of messages. Each sink gets every message of the cameras.

    Raises:
        DmadError: Another process uses the folder, the database is damaged, the token cannot be
            used, or there are cameras but no model of video.
    """

    def __init__(
        self,
        settings: ServeSettings,
        models: Sequence[Model],
        cameras: Sequence[Camera] = (),
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.settings = settings
        self.folder: Path = settings.data
        self.token = settings.read_token()
        self.models = list(models)
        self._stack = ExitStack()
        with self._stack:
            make_folder(self.folder)
            self._stack.enter_context(locked(self.folder))
            self.store = Store(self.folder)
            self._stack.callback(self.store.close)
            _remove_unfinished(self.folder)
            self.hub = Hub()
            self.events, self.parts = EventRows(self.store), PartRows(self.store)
            self.events.forget_missing_films(self.folder / CLIPS)
            self.cameras = CameraRows(self.store)
            limits = Limits(settings.keep_days, settings.keep_gigabytes)
            self.retention = Retention(self.folder, self.events, self.parts, limits)
            self._stack.callback(self.retention.stop)
            self.stations: dict[str, Station] = {}
            for model in models:
                if model.judges_images:
                    self.stations[model.name] = Station(model, self.folder)
                    self._stack.callback(self.stations[model.name].close)
            parts = CameraParts(self.cameras, self.events, self.hub, self.folder)
            of_video = [model for model in models if not model.judges_images]
            self.watch = CameraWatch(of_video, parts, sinks)
            self._stack.callback(self.watch.stop)
            self.retention.clean_up()
            self.retention.start()
            self.watch.start(cameras)
            self._stack = self._stack.pop_all()  # nothing has failed, so all parts stay open

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the console: end the events, complete the films, and judge the images that wait."""
        self.hub.close()
        self._stack.close()

    @property
    def watches(self) -> bool:
        """True if there is a model of video, so that cameras can be watched."""
        return bool(self.watch.models)

    def health(self) -> dict[str, Any]:
        """Return the state of the console and its cameras, ready for JSON."""
        cameras = self.watch.status()
        faulty = [one["name"] for one in cameras if one["state"] not in WORKING]
        return {
            "status": "degraded" if faulty else "ok",
            "cameras": [
                {"name": one["name"], "state": one["state"], "problem": one["problem"]}
                for one in cameras
            ],
            "models": [
                {"name": model.name, "judges": model.detector.form.judges} for model in self.models
            ],
        }


def _remove_unfinished(folder: Path) -> None:
    """Remove the incomplete files of a console that was killed.

    The caller must hold the lock of the folder, so that no other console is writing.
    """
    for name in (CLIPS, THUMBNAILS, PARTS, THRESHOLDS):
        for path in (folder / name).rglob(UNFINISHED):
            path.unlink(missing_ok=True)
