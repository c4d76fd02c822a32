"""The loop of `dmad watch`: scores the new frames of all cameras in one batch."""

from __future__ import annotations

import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace

from dmad.data.reading.source_frames import SourceFrame
from dmad.errors import DmadError, one_line, require
from dmad.files import make_folder
from dmad.inference.detector import Detector
from dmad.inference.streaming import JudgedFrame, add_frames
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.cameras import Camera
from dmad.watch.messages import Message
from dmad.watch.settings import WatchSettings
from dmad.watch.sinks import Sink
from dmad.watch.status import start_line
from dmad.watch.warnings import space_warning

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.2  # longest wait before cameras are checked for new frames again

DEFAULT_SETTINGS = WatchSettings()

OnFrame = Callable[[CameraWorker, SourceFrame, JudgedFrame | None], None]


def watch(
    detector: Detector,
    cameras: Sequence[Camera],
    sinks: Sequence[Sink],
    settings: WatchSettings = DEFAULT_SETTINGS,
) -> int:
    """Watch cameras until all have ended or until Ctrl-C, and send messages about them.

    Args:
        detector: A video model.
        cameras: The cameras. Each has its own past frames, template, calibration and zone.
        sinks: Receivers of messages, such as a file or a webhook. Each gets every message. They are
            closed at the end.
        settings: Output settings: folder, length of the films, interval of the count messages.

    Returns:
        The number of events.

    Raises:
        DmadError: The model is for images, there is no threshold, a source does not exist, or a
            recording is unreadable and no source gave a frame.
    """
    require(
        detector.form.judges == "frames",
        "this is a model for images; use `dmad predict`, or watch with a model for video",
    )
    wake = threading.Event()
    outlet = Outlet(sinks)
    with ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)
        loop = WatchLoop(wake)
        workers = loop.workers
        for camera in cameras:
            worker = CameraWorker(detector, camera, outlet.send, settings, wake)
            workers.append(worker)
            stack.callback(worker.close)
        receivers = [getattr(sink, "receiver", type(sink).__name__) for sink in sinks]
        for worker, camera in zip(workers, cameras, strict=True):
            logger.info(start_line(worker.detector, camera, receivers))
        if settings.out:
            make_folder(settings.out)
            free = shutil.disk_usage(settings.out).free
            if warning := space_warning(settings.out, free):
                logger.warning(warning)
        with suppress(KeyboardInterrupt):
            loop.run()
        for worker in workers:  # stop all before one is closed, because closing may take seconds
            worker.stop()
    problems = [worker.problem for worker in workers if worker.problem]
    if problems and not any(worker.frames for worker in workers):
        raise DmadError(problems[0])
    return sum(worker.events for worker in workers)


class WatchLoop:
    """Scores the new frames of several cameras in one batch.

    Args:
        wake: The sources of the workers set this `threading.Event` when they have a new frame.
        on_frame: Called after each frame with the worker, the frame and the result. The result is
            None if the frame has no score. All cameras wait until `on_frame` returns.
        endless: If True, `run` ends only after `stop`, even if there is no camera. Use `call` to
            add and remove workers while `run` runs.
    """

    def __init__(
        self,
        wake: threading.Event,
        on_frame: OnFrame | None = None,
        endless: bool = False,
    ) -> None:
        self.workers: list[CameraWorker] = []  # while `run` runs, only its thread changes this list
        self._wake, self._on_frame, self._endless = wake, on_frame, endless
        self._tasks: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Score frames until all cameras have ended (if not `endless`), or until `stop`."""
        while not self._stopping.is_set():
            self._do_tasks()
            open_workers = [worker for worker in self.workers if not worker.source.done]
            if not open_workers and not self._endless:
                return
            arrived = [(worker, worker.next_frame()) for worker in open_workers]
            pairs = [(worker, frame) for worker, frame in arrived if frame is not None]
            self._score(pairs)
            if not pairs and all(worker.source.live for worker in open_workers):
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()
        self._do_tasks()

    def call(self, task: Callable[[], None]) -> Future[None]:
        """Let the thread of `run` call a function between two frames. Returns at once.

        Returns:
            A future that is done when the function has returned or raised an exception.
        """
        done: Future[None] = Future()
        self._tasks.append((task, done))
        self._wake.set()
        return done

    def stop(self) -> None:
        """Let `run` end after the frames that it scores now. Returns at once."""
        self._stopping.set()
        self._wake.set()

    def _do_tasks(self) -> None:
        while self._tasks:
            task, done = self._tasks.popleft()
            try:
                task()
            except Exception as error:  # the future gives it to the caller of `call`
                done.set_exception(error)
            else:
                done.set_result(None)

    def _score(self, pairs: Sequence[tuple[CameraWorker, SourceFrame]]) -> None:
        """Score new frames, at most one of each camera, in one batch."""
        scorable = [(worker, frame) for worker, frame in pairs if worker.check_frame(frame)]
        streams = [worker.stream for worker, _ in scorable]
        results = add_frames(streams, [frame.image for _, frame in scorable])
        scores: dict[CameraWorker, JudgedFrame] = {}
        for (worker, frame), judged in zip(scorable, results, strict=True):
            if judged:
                scores[worker] = replace(judged, time=frame.time)
                worker.add_result(scores[worker])
        for worker, frame in pairs:
            worker.add_picture(frame)
            if self._on_frame:
                self._on_frame(worker, frame, scores.get(worker))


class Outlet:
    """Sends messages to all sinks. If a sink fails, there is one warning until it works again."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._failing: set[Sink] = set()

    def send(self, message: Message) -> None:
        """Send a message to every sink.

        Raises:
            BrokenPipeError: Nobody reads standard output any more.
        """
        line = message.to_json()
        for sink in self._sinks:
            try:
                sink.send(line)
                self._failing.discard(sink)
            except BrokenPipeError:  # nobody reads standard output any more: end the watch
                raise
            except OSError as error:  # a full disk does not end the watch
                if sink not in self._failing:
                    logger.warning(f"a message could not be written: {one_line(error)}")
                self._failing.add(sink)
