"""Watches one camera: reads its frames, checks the camera's health, and reports events."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from dmad.calibration.calibration import Calibration
from dmad.console import bars_are_shown
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.live import CONNECTING
from dmad.data.reading.source_frames import Source, SourceFrame
from dmad.data.reading.sources import open_source
from dmad.errors import DmadError, require
from dmad.forms.video.pictures import ColourScale
from dmad.inference.detector import Detector
from dmad.inference.streaming import JudgedFrame, Stream
from dmad.inference.warnings import rate_warnings, view_warnings
from dmad.watch.camera_state import ReportedState, UnscoredTime
from dmad.watch.cameras import Camera
from dmad.watch.drift import RecentScores
from dmad.watch.event_films import EventFilms
from dmad.watch.event_media import CLIPS, THUMBNAILS, EventMedia
from dmad.watch.events import EventUpdate, LiveEvents
from dmad.watch.health import health_of_view
from dmad.watch.messages import CountMessage, Message
from dmad.watch.settings import WatchSettings
from dmad.watch.status import summary_line
from dmad.watch.warnings import no_scores_warning, too_slow_warning

logger = logging.getLogger(__name__)

TOO_MANY_DROPPED = 0.1  # if more than this share of the frames is dropped, there is a warning


class CameraWorker:
    """Watches one camera.

    For each frame call `next_frame`, `check_frame`, `add_result` if the frame has a score, and
    `add_picture`, in this order. Call `close` at the end.

    Args:
        detector: The model. Several workers share its network.
        camera: The camera and its settings.
        send: Called with each message.
        settings: Output settings: folder, length of the films, interval of the count messages.
        wake: A `threading.Event` that is set when a live source has a new frame, is lost or has
            ended.

    Raises:
        DmadError: There is no threshold, or the source does not exist.
    """

    def __init__(
        self,
        detector: Detector,
        camera: Camera,
        send: Callable[[Message], None],
        settings: WatchSettings,
        wake: threading.Event,
    ) -> None:
        calibration = camera.read_calibration() or detector.calibration
        require(
            calibration is not None and calibration.budget.unit != "image",
            f"no threshold for {camera.name}: set one with `dmad calibrate RUN`",
        )
        assert calibration is not None
        detector = self.detector = detector.with_calibration(calibration)
        data = detector.config.data
        self.name = camera.name
        self.stream = Stream(detector, camera.scene, zone=camera.zone)
        self.problem = ""  # why a recording cannot be read
        self.events = 0
        self.frames = 0
        self._scored_frames = 0
        self._send = send
        self._settings = settings
        self._calibration: Calibration = calibration
        self._frames_needed = data.history + 1
        self._time = 0.0  # of the last frame
        self._state = ReportedState(camera.name)
        self._health = health_of_view(detector, camera.scene)
        self._unscored = UnscoredTime()
        self._live_events = LiveEvents(camera.name, calibration, detector.config.score.kernel)
        self._recent_scores = RecentScores()
        self._counts_sent = time.monotonic()
        self._warned_too_slow = False
        fps = camera.fps or detector.fps
        self._media = self._open_media(detector, fps)
        frame_format = FrameFormat.from_settings(data)
        self.source: Source = open_source(camera.source, frame_format, fps, wake, self._warn)
        for warning in view_warnings(detector, camera.scene, camera.zone):
            self._warn(warning)

    def next_frame(self) -> SourceFrame | None:
        """Return the next frame; None if there is none now.

        Sends a message if the source is lost or unreadable, and the counts when they are due.
        """
        try:
            frame = self.source.next_frame()
        except DmadError as error:
            self.problem = str(error)
            self.source.stop()
            self._change_state("unreadable", reason=self.problem)
            return None
        if frame is None and self.source.outage not in ("", CONNECTING):
            self._change_state("lost", reason=self.source.outage)
            self._add_gap(self._time, time.time())
        if time.monotonic() - self._counts_sent >= self._settings.every:
            self._send_counts()
        return frame

    def check_frame(self, frame: SourceFrame) -> bool:
        """Return True if a frame can be scored. Sends messages about gaps and camera health."""
        self.frames += 1
        if self.frames == 1:
            for warning in rate_warnings(self._calibration, self.source.fps):
                self._warn(warning)
        last_time, self._time = self._time, frame.time
        if frame.gap:
            self._add_gap(frame.time - frame.gap, frame.time)
            self._change_state("back", gap=frame.gap)
        can_be_scored = self._health.add_frame(frame.image, frame.time)
        self._change_state(self._health.state)
        if not can_be_scored and not self._health.is_repeated:
            self._stop_scoring(last_time or frame.time)
            self._count_unscored_time(frame.time)
        return can_be_scored

    def add_result(self, judged: JudgedFrame) -> None:
        """Add the score of a frame. Sends a message if an event begins, changes or ends."""
        self._scored_frames += 1
        seconds = self._unscored.stop(judged.time)
        if seconds is not None:
            self._report(self._live_events.skip(seconds))
        self._report(self._live_events.add_frame(judged))
        if self._live_events.is_quiet:
            self._recent_scores.add_score(judged.calibrated, judged.time)

    def add_picture(self, frame: SourceFrame) -> None:
        """Add the picture of a frame to the films of events."""
        if self._media:
            self._media.add_picture(frame.picture, frame.time)

    @property
    def calibration(self) -> Calibration:
        """The threshold in use."""
        return self._calibration

    @property
    def state(self) -> str:
        """The last reported state, or "connecting" if a live source has not given a frame yet."""
        return self._reported_state()

    @property
    def is_too_slow(self) -> bool:
        """True if more than a tenth of all frames so far were dropped, because newer ones came."""
        return are_too_many(self.source.dropped, self.frames)

    @property
    def drifted(self) -> bool | None:
        """True if the usual score has changed since the calibration; None with too few scores."""
        return self._recent_scores.drifted

    def use_threshold(self, calibration: Calibration) -> None:
        """Use another threshold from the next frame on. An event in progress continues.

        Args:
            calibration: A calibration that computes the same scores as the present one.

        Raises:
            DmadError: The calibration computes other scores.
        """
        require(
            calibration.scorer == self._calibration.scorer
            and calibration.fps == self._calibration.fps,
            f"the new calibration of {self.name} computes other scores than the present one; "
            "restart the camera to use it",
        )
        self._calibration = calibration
        self.detector = self.detector.with_calibration(calibration)
        self.stream.places = calibration.places
        self._live_events.use_threshold(calibration)

    def stop(self) -> None:
        """Read no more frames. Returns at once."""
        self.source.stop()

    def close(self) -> None:
        """End the event in progress, close films and source, and send the last counts."""
        try:
            self._report(self._live_events.finish())
        finally:  # also if messages cannot be sent
            if self._media:
                self._media.close()
            self.source.close()  # takes seconds if the camera does not answer
        if self.frames and not self._scored_frames:
            self._warn(no_scores_warning(self._state.state, self.frames, self._frames_needed))
        self._send_counts()

    def _open_media(self, detector: Detector, fps: float) -> EventMedia | None:
        settings = self._settings
        if settings.out is None:
            return None
        folder = settings.out / CLIPS
        fps = fps or self._calibration.fps
        films = EventFilms(folder, fps, settings.before, settings.after)
        scale = ColourScale.from_detector(detector)
        return EventMedia(films, settings.out / THUMBNAILS, scale, self._warn)

    def _warn(self, warning: str) -> None:
        logger.warning(f"{self.name}: {warning}")

    def _change_state(self, state: str, reason: str = "", gap: float = 0.0) -> None:
        message = self._state.change(state, self._time or self._now(), reason, gap)
        if message:
            self._send_message(message)

    def _add_gap(self, start: float, end: float) -> None:
        """Add a gap, which is a time without frames.

        The past frames are forgotten. The event in progress may end. Films of ended events are
        closed.
        """
        self._stop_scoring(start)
        self._count_unscored_time(end)
        if self._media:
            self._media.add_gap()

    def _stop_scoring(self, since: float) -> None:
        """Start a time without scores at `since`, and forget the past frames.

        So no score is computed from frames before and after this time together.
        """
        self._unscored.start(since)
        self.stream.restart()

    def _count_unscored_time(self, now: float) -> None:
        seconds = self._unscored.count(now)
        if seconds is not None:
            self._report(self._live_events.skip(seconds))

    def _report(self, updates: Iterator[EventUpdate]) -> None:
        for update in updates:
            if update.message.state == "new":
                self.events += 1
            self._send_message(self._media.add_event(update) if self._media else update.message)

    def _send_message(self, message: Message) -> None:
        self._send(replace(message, live=self.source.live))

    def _send_counts(self) -> None:
        self._counts_sent = time.monotonic()
        dropped = self.source.dropped
        if self.is_too_slow and not self._warned_too_slow:
            self._warned_too_slow = True
            self._warn(too_slow_warning(self.frames, dropped))
        counts = CountMessage(
            source=self.name,
            time=self._time or self._now(),
            state=self._reported_state(),
            frames=self.frames,
            scored=self._scored_frames,
            dropped=dropped,
            gaps=self.source.gaps,
            gap_seconds=self.source.gap_seconds,
            events=self.events,
            median=self._recent_scores.median,
            drifted=self._recent_scores.drifted,
            threshold=self._calibration.threshold,
        )
        self._send_message(counts)
        if bars_are_shown():  # a person watches the terminal
            logger.info(summary_line(counts))

    def _reported_state(self) -> str:
        """The last reported state, or "connecting" before the first frame of a live source."""
        is_new = self.source.live and not self.frames and self._state.state == "ok"
        return CONNECTING if is_new else self._state.state

    def _now(self) -> float:
        """Time for a message if no frame has come: the present time if live, 0 for a recording."""
        return time.time() if self.source.live else 0.0


def are_too_many(dropped: int, frames: int) -> bool:
    """True if more than a tenth of the frames of a camera were dropped."""
    return dropped > TOO_MANY_DROPPED * (frames + dropped)
