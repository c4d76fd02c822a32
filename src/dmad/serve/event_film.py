"""Scores the film of an event again, with the model of its camera. The camera does not stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as NoAnswer
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.calibration.normal_places import NOWHERE, NormalPlaces
from dmad.data.footage import footage_from_arrays
from dmad.errors import DmadError, require
from dmad.forms.video.feedback import ClipMaps
from dmad.inference.backend import Backend
from dmad.inference.inputs import frames_of_clip
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.watch import WatchLoop

T = TypeVar("T")

BATCH = 4  # frames of a film that are scored between two frames of the cameras
TURN = 60.0  # seconds that a batch may wait for the thread of the watch
ADVICE = "raise the threshold instead"


@dataclass(frozen=True)
class Turns:
    """Calls functions in the thread that scores the cameras, between two frames.

    A backend computes scores with PyTorch, ONNX Runtime or OpenVINO. Some backends cannot be used
    by two threads at the same time, so films are scored in the same thread as the cameras.

    Args:
        loop: The loop that scores the cameras.
        stopping: A `threading.Event` that is set when the console stops.
    """

    loop: WatchLoop
    stopping: threading.Event

    def take(self, function: Callable[[], T]) -> T:
        """Call a function in the thread that scores the cameras, and return its result.

        Raises:
            DmadError: The console stops, or the function was not called within `TURN` seconds.
        """
        results: list[T] = []
        require(not self.stopping.is_set(), "the console stops; nothing was changed")
        done = self.loop.call(lambda: results.append(function()))
        try:
            done.result(TURN)
        except NoAnswer as error:
            raise DmadError(
                f"no part of the film could be scored in {TURN:g} s; try it again later"
            ) from error
        return results[0]


class BackendInTurns:
    """Scores the batches of a film in the thread that scores the cameras, between two frames.

    Args:
        backend: The backend of the model of a camera.
        turns: Calls the backend in that thread.
        template: Background template (C, H, W) of the camera; None if the model has none.
    """

    def __init__(
        self, backend: Backend, turns: Turns, template: NDArray[np.float32] | None
    ) -> None:
        self.templates = None if template is None else template[None]
        self._backend, self._turns = backend, turns

    def __call__(
        self, windows: NDArray[np.uint8], backgrounds: NDArray[np.float32] | None
    ) -> Mapping[str, np.ndarray]:
        """Score a batch in the thread that scores the cameras; see `Backend.__call__`."""
        return self._turns.take(lambda: self._backend(windows, backgrounds))


def maps_of_film(film: Path, worker: CameraWorker, turns: Turns) -> ClipMaps:
    """Return the score maps of the film of an event.

    The film is scored with the model of the camera. The background template is the one that the
    camera uses now.

    Args:
        film: File of the film.
        worker: Watches the camera.
        turns: Calls the model in the thread that scores the cameras.

    Raises:
        DmadError: The film cannot be read or is too short, the camera has shown no picture yet
            (so its background template is not known), or the console stops.
    """
    template = turns.take(lambda: worker.stream.window_maker.background)
    require(
        template is not None or worker.detector.backend.templates is None,
        f"{worker.name} has shown no picture since the start; try it again when it shows one",
    )
    detector = copy(worker.detector)
    detector.backend, detector.scenes = BackendInTurns(detector.backend, turns, template), ("",)
    data = detector.config.data
    frames = frames_of_clip(film, data)
    require(
        len(frames) > data.history,
        f"the film of this event has only {len(frames)} pictures, too few to score it; {ADVICE}",
    )
    footage = footage_from_arrays([frames], worker.calibration.fps)
    return ClipMaps.from_footage(detector, footage, BATCH)


def places_of_event(maps: ClipMaps, score: float, calibration: Calibration) -> NormalPlaces:
    """Return new less sensitive places: the present ones, and those where a film raises an alarm.

    At less sensitive places, scores count less. If the film raises no alarm with the present
    calibration, no places are added.

    Args:
        maps: The score maps of the film of an event.
        score: The score of the event, as the camera reported it.
        calibration: The present calibration of the camera.

    Raises:
        DmadError: The film has lower scores than the event, so the film does not show the places
            of the alarm. Or the film raises alarms even if scores at these places hardly count.
    """
    if maps.alarm_level(calibration) >= calibration.threshold:
        try:
            return maps.marked_places(calibration)
        except DmadError as error:
            raise DmadError(str(error).replace("leave only_here out", ADVICE)) from error
    everywhere = replace(calibration, places=NOWHERE)
    is_silent_now = (
        score < calibration.threshold or maps.alarm_level(everywhere) >= calibration.threshold
    )
    require(
        is_silent_now,
        "the film of this event has lower scores than the event had, so it raises no alarm and "
        f"does not show the places; {ADVICE}",
    )
    return calibration.places
