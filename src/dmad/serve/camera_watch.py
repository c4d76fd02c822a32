"""Watches the cameras of the console. Cameras can be added, changed and removed at any time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dmad.calibration.calibration import Calibration
from dmad.calibration.normal_places import NormalPlaces, require_small_loss
from dmad.data.reading.source_frames import SourceFrame, shortest_gap
from dmad.errors import DmadError, one_line, require
from dmad.forms.video.feedback import ClipMaps
from dmad.inference.streaming import JudgedFrame
from dmad.serve.camera_rows import CameraRows, StoredCamera
from dmad.serve.event_film import Turns, maps_of_film, places_of_event
from dmad.serve.event_rows import EventRows
from dmad.serve.hub import Hub
from dmad.serve.inspection import BusyError
from dmad.serve.live import LiveView
from dmad.serve.models import Model, OwnThreshold, ThresholdChange
from dmad.serve.places import shown_places
from dmad.serve.texts import text
from dmad.watch.camera_state import SCORING_STATES
from dmad.watch.camera_worker import CameraWorker, are_too_many
from dmad.watch.cameras import Camera
from dmad.watch.messages import EventMessage, HealthMessage, Message
from dmad.watch.settings import WatchSettings
from dmad.watch.sinks import Sink
from dmad.watch.watch import Outlet, WatchLoop

logger = logging.getLogger(__name__)

AROUND = 12.0  # seconds of scores that are stored before an event
RECENT = 60.0  # seconds of scores that a page shows at first
ANSWER = 10.0  # seconds that a change may wait for the thread of its camera
WORKING = ("ok", "back", "ended")  # states of a camera without a problem
UNJUDGED = 3.0  # seconds without a score until a camera is "unjudged"; more at low frame rates
FEW_FRAMES = 100  # a model may need more time for its first frames, so these say nothing
AFTER_FAULT = 1.0  # seconds until a thread that has failed continues


@dataclass(frozen=True)
class PlacesOfFilm:
    """The places where a camera becomes less sensitive after an event was marked as normal.

    The places were computed from the film of this event.
    """

    film: Path  # of the event
    score: float  # of the event
    calibration: Calibration  # of the camera before the mark
    places: NormalPlaces  # of the camera after the mark

    def is_for(self, film: Path, score: float, calibration: Calibration | None) -> bool:
        """True if the places were computed for this event and this calibration of the camera."""
        return (self.film, self.score, self.calibration) == (film, score, calibration)


@dataclass(eq=False)
class Watched:
    """A camera of the console, with its threshold, its worker and its live view."""

    stored: StoredCamera
    threshold: OwnThreshold
    worker: CameraWorker | None = None  # None: the camera could not be started
    view: LiveView | None = None
    problem: str = ""  # why the camera could not be started
    notice: str = ""  # a sentence for the person who has changed the settings last
    places_of_film: PlacesOfFilm | None = None  # of the last film that was scored


@dataclass(frozen=True)
class CameraParts:
    """The parts of the console that `CameraWatch` needs."""

    rows: CameraRows
    events: EventRows
    hub: Hub
    folder: Path


class CameraWatch:
    """Watches all cameras. Cameras with the same model are scored together, in one thread.

    Args:
        models: The models of video.
        parts: The database, the live messages and the folder of the console.
        sinks: The receivers of all messages, such as a file or MQTT, as in `dmad watch`.
    """

    def __init__(
        self, models: Sequence[Model], parts: CameraParts, sinks: Sequence[Sink] = ()
    ) -> None:
        self.models = {model.name: model for model in models}
        self._parts = parts
        self._sinks = sinks
        self._outlet = Outlet(sinks)
        self._settings = WatchSettings(out=parts.folder, every=60.0)
        self._lock = threading.RLock()  # for the two attributes below
        self._watched: dict[int, Watched] = {}
        self._views: dict[str, LiveView] = {}  # by name of the camera
        self._wakes = {name: threading.Event() for name in self.models}
        self._loops = {
            name: WatchLoop(wake, self._see, endless=True) for name, wake in self._wakes.items()
        }
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._film = threading.Lock()  # held while the film of an event is scored

    def start(self, cameras: Sequence[Camera] = ()) -> None:
        """Watch all stored cameras.

        Args:
            cameras: Cameras to store first. A camera whose name is stored already is ignored.

        Raises:
            DmadError: There are cameras to store, but no model of video.
        """
        require(
            bool(self.models) or not cameras,
            "cameras need a model for video; name one, such as `dmad serve ped2`",
        )
        if not self.models:
            return
        for stored in self._parts.rows.add_missing(cameras):
            calibration = self._with_file(stored, cameras)
            if calibration:
                self._threshold_of(stored).start_with(calibration)
        for stored in self._parts.rows.all():
            self._open(stored)
        for name, loop in self._loops.items():
            thread = threading.Thread(target=self._run, args=(loop,), name=f"watch {name}")
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop all cameras. Events in progress end, and films are completed."""
        self._stopping.set()
        for loop in self._loops.values():
            loop.stop()
        for thread in self._threads:
            thread.join(ANSWER)
        workers = [one.worker for one in self.all() if one.worker]
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.close()
        for sink in self._sinks:
            sink.close()

    def all(self) -> list[Watched]:
        """Return all cameras, the oldest first."""
        with self._lock:
            return [self._watched[number] for number in sorted(self._watched)]

    def get(self, number: int) -> Watched | None:
        """Return a camera; None if there is none with this number."""
        with self._lock:
            return self._watched.get(number)

    def named(self, name: str) -> Watched | None:
        """Return the camera with a name; None if there is none."""
        return next((one for one in self.all() if one.stored.camera.name == name), None)

    def add(self, camera: Camera, model: str = "") -> Watched:
        """Store a camera and watch it.

        Raises:
            DmadError: There is no such model, or another camera has this name.
        """
        self._require_model(model)
        return self._open(self._parts.rows.add(camera, model))

    def change(self, number: int, camera: Camera, model: str = "") -> Watched:
        """Watch a camera with other settings. An event in progress ends.

        If the address, view or model changes, the places where the camera is less sensitive are
        removed, because they belong to the old address, view and model.

        Raises:
            DmadError: There is no such model or camera, or another camera has this name.
        """
        self._require_model(model)
        present = self.get(number)
        require(present is not None, f"there is no camera {number}")
        assert present is not None
        stored = StoredCamera(number, model, camera)
        self._parts.rows.change(stored)
        is_other = self._is_other_picture(present.stored, stored)
        self._close(present)  # pages show the old camera until `_open` replaces it
        forgotten = is_other and self._threshold_of(stored).forget_places()
        watched = self._open(stored)
        watched.notice = text("camera.places-forgotten") if forgotten else ""
        return watched

    def remove(self, number: int) -> None:
        """Stop watching a camera, and remove it. Its events stay."""
        present = self.get(number)
        require(present is not None, f"there is no camera {number}")
        assert present is not None
        self._parts.rows.remove(number)
        with self._lock:
            del self._watched[number]
        self._close(present)

    def apply_threshold(self, watched: Watched) -> None:
        """Use the stored threshold of a camera from the next frame on. The camera does not stop.

        The stored places where the camera is less sensitive are used too.
        """
        calibration, worker = watched.threshold.calibration, watched.worker
        if calibration is None or worker is None:
            return
        loop = self._loops[self._model_of(watched.stored).name]
        loop.call(lambda: worker.use_threshold(calibration)).result(ANSWER)
        if watched.view:
            watched.view.scale.calibration = calibration

    def silence(self, watched: Watched, score: float, force: bool) -> ThresholdChange:
        """Raise the threshold of a camera just enough that a score raises no alarm.

        Args:
            watched: The camera.
            score: The score.
            force: The threshold may become more than twice as high.

        Raises:
            DmadError: The threshold would rise too much.
        """
        change = watched.threshold.silence(score, force)
        self.apply_threshold(watched)
        return change

    def silence_here(
        self, watched: Watched, film: Path, score: float, force: bool = False
    ) -> ThresholdChange:
        """Make a camera less sensitive at the places where the film of an event is unusual.

        No camera stops: small batches of the film are scored between the frames of the cameras.
        This method returns when the whole film is scored. If a change is refused because the camera
        would become much less sensitive, this method can be called again with `force`. Then the
        film is scored again only if the threshold has changed meanwhile.

        Args:
            watched: The camera.
            film: The film.
            score: The score of the event.
            force: The camera may become much less sensitive.

        Raises:
            DmadError: The camera is not watched or was changed meanwhile, the film does not show
                which places are unusual, or the camera would become much less sensitive.
            BusyError: Another film is being scored.
        """
        worker, name = watched.worker, watched.stored.camera.name
        require(worker is not None, f"{name} is not watched now, so its films cannot be scored")
        assert worker is not None
        known = watched.places_of_film
        is_known = known is not None and known.is_for(film, score, watched.threshold.calibration)
        maps = None if is_known else self._maps_of(film, watched, worker)
        changed = f"{name} was changed meanwhile; mark the event again"
        require(self.get(watched.stored.number) is watched, changed)

        def places_for(present: Calibration) -> NormalPlaces:
            if known is not None and known.is_for(film, score, present):
                places = known.places
            else:
                require(maps is not None, changed)
                assert maps is not None
                places = places_of_event(maps, score, replace(present, zone=worker.stream.zone))
                watched.places_of_film = PlacesOfFilm(film, score, present, places)
            require_small_loss(present.places, places, force)
            return places

        change = watched.threshold.use_places(places_for)
        self.apply_threshold(watched)
        return change

    def _maps_of(self, film: Path, watched: Watched, worker: CameraWorker) -> ClipMaps:
        """Score the film of an event, and return its score maps.

        Raises:
            DmadError: The film cannot be scored, or the console stops.
            BusyError: Another film is being scored.
        """
        turns = Turns(self._loops[self._model_of(watched.stored).name], self._stopping)
        if not self._film.acquire(blocking=False):  # waiting would block a thread of the server
            raise BusyError("the film of another event is being scored; try it again later")
        try:
            return maps_of_film(film, worker, turns)
        finally:
            self._film.release()

    def status(self) -> list[dict[str, Any]]:
        """Return what a page shows of each camera, ready for JSON."""
        today = self._parts.events.today()
        return [status_of(one, today) for one in self.all()]

    def _require_model(self, model: str) -> None:
        known = ", ".join(self.models) or "none"
        require(bool(self.models), "cameras need a model for video; start dmad serve with one")
        require(not model or model in self.models, f"no model {model[:40]!r}; known: {known}")

    def _model_of(self, stored: StoredCamera) -> Model:
        return self.models.get(stored.model) or next(iter(self.models.values()))

    def _threshold_of(self, stored: StoredCamera) -> OwnThreshold:
        key = f"camera-{stored.number}"
        return OwnThreshold(self._model_of(stored), key, self._parts.folder)

    def _is_other_picture(self, old: StoredCamera, new: StoredCamera) -> bool:
        """True if the new settings of a camera name another address, view or model."""
        return (
            old.camera.source != new.camera.source
            or old.camera.scene != new.camera.scene
            or self._model_of(old) is not self._model_of(new)
        )

    def _with_file(self, stored: StoredCamera, cameras: Sequence[Camera]) -> Any:
        named = [camera for camera in cameras if camera.name == stored.camera.name]
        return named[0].read_calibration() if named else None

    def _open(self, stored: StoredCamera) -> Watched:
        model = self._model_of(stored)
        watched = Watched(stored, self._threshold_of(stored))
        detector = model.detector.with_calibration(watched.threshold.calibration)
        name = stored.camera.name
        try:
            worker = CameraWorker(
                detector, stored.camera, self._receive, self._settings, self._wakes[model.name]
            )
        except (DmadError, OSError) as error:
            watched.problem = one_line(error)
            logger.warning(f"{name} is not watched: {watched.problem}")
        else:
            watched.worker, watched.view = worker, LiveView(detector)
        with self._lock:
            self._watched[stored.number] = watched
            if watched.view:
                self._views[name] = watched.view
        if watched.worker:
            loop = self._loops[model.name]
            loop.call(lambda: loop.workers.append(worker))
        return watched

    def _close(self, watched: Watched) -> None:
        """Stop a camera. Its events and films are completed by another thread."""
        worker = watched.worker
        if worker is None:
            return
        worker.stop()
        loop = self._loops[self._model_of(watched.stored).name]
        loop.call(lambda: loop.workers.remove(worker)).result(ANSWER)
        threading.Thread(target=worker.close, name="closing").start()

    def _run(self, loop: WatchLoop) -> None:
        while not self._stopping.is_set():
            try:
                loop.run()
            except Exception as error:
                logger.exception("the watch has failed, and continues")
                for watched in self.all():
                    if watched.view and watched.worker in loop.workers:
                        watched.view.fault = one_line(error)
                self._stopping.wait(AFTER_FAULT)

    def _see(self, worker: CameraWorker, frame: SourceFrame, judged: JudgedFrame | None) -> None:
        view = self._views.get(worker.name)
        if view:
            view.add_frame(frame, judged, worker.source.live)
            view.add_counts(worker.frames, worker.source.dropped)

    def _receive(self, message: Message) -> None:
        """Pass on a message of a worker.

        An event is stored. Events and states are sent to all pages, every message to the sinks.
        """
        if isinstance(message, EventMessage):
            self._store_event(message)
        elif isinstance(message, HealthMessage):
            content = {"camera": message.source, "state": message.state}
            self._parts.hub.publish("health", content)
            view = self._views.get(message.source)
            if view and message.state in SCORING_STATES:
                view.wait_again()
        self._outlet.send(message)

    def _store_event(self, message: EventMessage) -> None:
        view = self._views.get(message.source)
        scores = view.scores_since(message.start - AROUND) if view else []
        named = replace(
            message, clip=Path(message.clip).name, thumbnail=Path(message.thumbnail).name
        )
        number = self._parts.events.add(named, scores)
        content = {
            "number": number,
            "camera": message.source,
            "state": message.state,
            "score": round(message.score, 3),
        }
        self._parts.hub.publish("event", content)


def recent_scores(watched: Watched) -> list[tuple[float, float]]:
    """Return times and scores of the last minute; empty if the camera has none.

    Times are seconds since 1970. The times of a recording are shifted: its newest score gets
    the present time.
    """
    scores = tuple(watched.view.scores) if watched.view else ()
    if not scores:
        return []
    is_live = watched.worker is not None and watched.worker.source.live
    shift = 0.0 if is_live else time.time() - scores[-1][0]
    start = scores[-1][0] - RECENT
    return [(round(at + shift, 2), round(score, 3)) for at, score in scores if at >= start]


def status_of(watched: Watched, today: Mapping[str, int]) -> dict[str, Any]:
    """Return what a page shows of a camera, ready for JSON.

    `today` is the number of today's events, by name of the camera.
    """
    stored, worker, view = watched.stored, watched.worker, watched.view
    calibration = watched.threshold.calibration if worker is None else worker.calibration
    entries: dict[str, Any] = {
        "number": stored.number,
        "name": stored.camera.name,
        "source": stored.shown_source,
        "scene": stored.camera.scene,
        "fps": stored.camera.fps,
        "include": stored.camera.zone.include,
        "exclude": stored.camera.zone.exclude,
        "model": stored.model,
        "threshold": round(calibration.threshold, 4) if calibration else None,
        "can_undo": watched.threshold.can_undo,
        "places": shown_places(stored.number, calibration),
        "events_today": today.get(stored.camera.name, 0),
        "problem": watched.problem,
        "state": "unwatched",
        "score": None,
        "frames": 0,
        "dropped": 0,
        "gaps": 0,
        "drifted": None,
        "time": time.time(),
    }
    if worker is None or view is None:
        return entries
    score, state = view.score, state_of(worker, view)
    return entries | {
        "state": state,
        "problem": worker.problem or problem_of(state, worker, view),
        "score": None if score is None else round(score, 3),
        "frames": worker.frames,
        "dropped": worker.source.dropped,
        "gaps": worker.source.gaps,
        "drifted": worker.drifted,
    }


def state_of(worker: CameraWorker, view: LiveView) -> str:
    """Return the state of a camera: "ended", "unjudged", or else the state of its worker.

    "ended": the recording is at its end. "unjudged": the camera has no fault, but its frames have
    had no score for some seconds.
    """
    if worker.state != "ok":
        return worker.state
    if worker.source.done:
        return "ended"
    longest = max(UNJUDGED, shortest_gap(worker.source.fps))
    return "unjudged" if view.seconds_without_score > longest else "ok"


def problem_of(state: str, worker: CameraWorker, view: LiveView) -> str:
    """Return what a person can do about a state; empty if there is nothing to do."""
    if state == "lost":
        return text("camera.lost")
    if state == "unjudged" and view.fault:
        return text("camera.fault", error=view.fault)
    frames, dropped = view.counts_of_last_minutes(worker.frames, worker.source.dropped)
    if state in ("ok", "unjudged") and are_too_many(dropped, frames) and frames > FEW_FRAMES:
        return text("camera.too-slow")
    return text("camera.unjudged") if state == "unjudged" else ""
