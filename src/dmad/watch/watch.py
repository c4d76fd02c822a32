"""The loop of `dmad watch`: scores the new frames of all cameras in one batch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from dmad.data.reading.source_frames import SourceFrame
from dmad.errors import DmadError, one_line, require
from dmad.inference.detector import Detector
from dmad.inference.streaming import add_frames
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.cameras import Camera
from dmad.watch.messages import Message
from dmad.watch.settings import WatchSettings
from dmad.watch.sinks import Sink
from dmad.watch.status import start_line

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.2  # longest wait before cameras are checked for new frames again

DEFAULT_SETTINGS = WatchSettings()


def watch(
    detector: Detector,
    cameras: Sequence[Camera],
    sinks: Sequence[Sink],
    settings: WatchSettings = DEFAULT_SETTINGS,
) -> int:
    """Watch cameras until all have ended or until Ctrl-C, and report events, health and counts.

    Args:
        detector: A video model.
        cameras: The cameras. Each has its own past frames, template, calibration and zone.
        sinks: Each gets every message. They are closed at the end.
        settings: Output settings: folder, length of the films, interval of the count messages.

    Returns:
        The number of events.

    Raises:
        DmadError: The model is for images, there is no threshold, a source does not exist, or no
            source gave a frame.
    """
    require(
        detector.form.judges == "frames",
        "this is a model for images; use `dmad predict`, or watch with a model for video",
    )
    wake = threading.Event()
    outlet = _Outlet(sinks)
    with ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)
        workers: list[CameraWorker] = []
        for camera in cameras:
            worker = CameraWorker(detector, camera, outlet.send, settings, wake)
            workers.append(worker)
            stack.callback(worker.close)
        receivers = [getattr(sink, "receiver", type(sink).__name__) for sink in sinks]
        for worker, camera in zip(workers, cameras, strict=True):
            logger.info(start_line(worker.detector, camera, receivers))
        with suppress(KeyboardInterrupt):
            _score_until_done(workers, wake)
        for worker in workers:  # stop all before one is closed, because closing may take seconds
            worker.stop()
    problems = [worker.problem for worker in workers if worker.problem]
    if problems and not any(worker.frames for worker in workers):
        raise DmadError(problems[0])
    return sum(worker.events for worker in workers)


def _score_until_done(workers: Sequence[CameraWorker], wake: threading.Event) -> None:
    while True:
        open_workers = [worker for worker in workers if not worker.source.done]
        if not open_workers:
            return
        arrived = [(worker, worker.next_frame()) for worker in open_workers]
        pairs = [(worker, frame) for worker, frame in arrived if frame is not None]
        _score(pairs)
        for worker, frame in pairs:
            worker.add_picture(frame)
        if not pairs and all(worker.source.live for worker in open_workers):
            wake.wait(IDLE_SECONDS)
            wake.clear()


def _score(pairs: Sequence[tuple[CameraWorker, SourceFrame]]) -> None:
    """Score new frames, at most one of each camera, in one batch."""
    scorable = [(worker, frame) for worker, frame in pairs if worker.check_frame(frame)]
    streams = [worker.stream for worker, _ in scorable]
    results = add_frames(streams, [frame.image for _, frame in scorable])
    for (worker, frame), judged in zip(scorable, results, strict=True):
        if judged:
            worker.add_result(replace(judged, time=frame.time))


class _Outlet:
    """Sends messages to all sinks. If a sink cannot write, there is one warning until it can."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._failing: set[Sink] = set()

    def send(self, message: Message) -> None:
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
