"""One camera at work: what follows from its frames, in lines, films and pictures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from dmad.data.reading.source_frames import Form, Shot, Source
from dmad.data.reading.sources import open_source
from dmad.drawing import pictures as visualize
from dmad.errors import DmadError, brief, require
from dmad.forms.video.pictures import Limits, pictures
from dmad.inference.detector import Detector
from dmad.inference.streaming import Judged, Stream
from dmad.inference.warnings import busy, rate_notes, unjudged, view_notes
from dmad.watch.cameras import Camera
from dmad.watch.event_films import Clips
from dmad.watch.events import LiveEvents, Recent, Told, as_line
from dmad.watch.health import Health, known_template

logger = logging.getLogger(__name__)

BUSY = 0.1  # share of frames without time for them, from which on that is said


@dataclass(frozen=True)
class Wanted:
    """What to write beside the lines.

    Args:
        out: Folder for films and thumbnails of events; none are made where None.
        before: Seconds of a film before the event.
        after: Seconds of it after the event.
        every: Seconds between two lines of counts and drift.
    """

    out: Path | None = None
    before: float = 3.0
    after: float = 3.0
    every: float = 60.0

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            value = getattr(self, name)
            require(value >= 0, f"{name} is {value} s; give 0 or more")
        require(self.every > 0, f"every is {self.every} s; give more than 0")


class Post:
    """One camera at work.

    Args:
        detector: The model, shared.
        camera: Its settings.
        tell: Takes lines.
        wanted: What else to write.
        wake: As `Live` takes it.
    """

    def __init__(
        self,
        detector: Detector,
        camera: Camera,
        tell: Callable[[str], None],
        wanted: Wanted,
        wake: threading.Event,
    ) -> None:
        data = detector.config.data
        calibration = camera.read_calibration() or detector.calibration
        require(
            calibration is not None and calibration.budget.unit != "image",
            f"no threshold for {camera.name}: set one with `dmad calibrate RUN`",
        )
        assert calibration is not None
        self.name, self.config = camera.name, detector.config
        self.stream = Stream(detector, camera.scene, calibration, camera.zone)
        self.events = LiveEvents(camera.name, calibration, detector.config.score)
        self.health = Health(known_template(detector, camera.scene))
        self.recent, self.limits = Recent(), Limits.of(detector)
        self._tell, self._wanted, self._sent = tell, wanted, time.monotonic()
        self._state, self._why, self._time = "ok", "", 0.0
        self._gap_from: float | None = None  # since when nothing is scored
        self.frames = self.scored = self.count = 0
        self._slow = False  # whether that was said
        self.problem = ""  # why a recording could not be read
        form = Form.of(data, calibration, camera.fps)
        self.clips = None
        if wanted.out:
            folder, fps = wanted.out / "clips", form.rate or calibration.fps
            self.clips = Clips(folder, fps, wanted.before, wanted.after)
        self.source: Source = open_source(camera.source, form, camera.fps, wake, self.note)
        self.note(*view_notes(detector, calibration, camera.scene, camera.zone))

    def note(self, *lines: str) -> None:
        """Say something about this camera on standard error."""
        for line in lines:
            logger.warning(f"{self.name}: {line}")

    def take(self) -> Shot | None:
        """The next frame, if there is one now."""
        try:
            shot = self.source.take()
        except DmadError as error:
            self.problem, self.source.done = str(error), True
            self._enter("unreadable", self.problem)
            return None
        if shot is None and self.source.lost:
            self._enter("lost", self.source.lost)
            self._miss(self._time, time.time())
        if time.monotonic() - self._sent >= self._wanted.every:
            self.report()
        return shot

    def look(self, shot: Shot) -> bool:
        """Whether a frame may be scored: nothing is missing before it that ends what goes on."""
        self.frames += 1
        if self.frames == 1:
            self.note(*rate_notes(self.events.calibration, self.source.rate))
        before, self._time = self._time, shot.time
        if shot.gap:
            self._miss(shot.time - shot.gap, shot.time)
            self._enter("back", gap=shot.gap)
        good = self.health.push(shot.image, shot.time)
        self._enter(self.health.state)
        if not good and not self.health.hesitates:
            self._pause(before or shot.time)
            self._pass(shot.time)
        return good

    def conclude(self, judged: Judged) -> None:
        """What follows from a judged frame."""
        self.scored += 1
        self.limits.heat(judged.reconstruction)
        self._pass(judged.time, 0.0)
        self._gap_from = None
        self._announce(self.events.push(judged))
        if self.events.finder.candidate is None:
            self.recent.push(judged)

    def film(self, shot: Shot) -> None:
        """Keep the picture for films."""
        if self.clips:
            with self._noting():
                self.clips.push(shot.picture, shot.time)

    def _miss(self, since: float, now: float) -> None:
        """Nothing came for a time: neither scores nor films go on over it."""
        self._pause(since)
        self._pass(now)
        if self.clips:
            with self._noting():
                self.clips.skip()

    def report(self) -> None:
        """One line: frames, what was lost, and how recent scores compare with the calibration."""
        self._sent = time.monotonic()
        source, recent = self.source, self.recent
        if not self._slow and source.dropped > BUSY * (self.frames + source.dropped):
            self._slow = True
            self.note(busy(self.frames, source.dropped))
        entries = {"source": self.name, "time": self._time, "state": self._state}
        entries |= {"frames": self.frames, "scored": self.scored, "dropped": source.dropped}
        entries |= {"gaps": source.gaps, "gap_seconds": source.gap_seconds, "events": self.count}
        entries |= {"median": recent.median, "drifted": recent.drifted}
        entries |= {"threshold": self.events.calibration.threshold}
        self._tell(as_line("count", entries))

    def close(self) -> None:
        """End what goes on, close films and source, and give the last counts."""
        try:
            self._announce(self.events.finish())
        finally:  # also where nobody reads the lines any more
            if self.clips:
                with self._noting():
                    self.clips.close()
            self.source.close()  # last: a camera that does not answer takes seconds
        if self.frames and not self.scored:
            self.note(unjudged(self._state, self.frames, self.config.data.history + 1))
        self.report()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Films and pictures that cannot be written, as on a full disk, end; nothing else does."""
        try:
            yield
        except (OSError, av.FFmpegError, DmadError) as error:
            self.note(f"no film or picture: {brief(error)}")
            with suppress(OSError, av.FFmpegError, DmadError):
                if self.clips:
                    self.clips.close()

    def _pause(self, since: float) -> None:
        """Scores stop, and the next frame does not follow the last."""
        if self._gap_from is None:
            self._gap_from = since
        self.stream.restart()

    def _pass(self, now: float, least: float = 1.0) -> None:
        """Time goes by without scores; counted once it is `least` seconds."""
        if self._gap_from is not None and now - self._gap_from >= least:
            self._announce(self.events.skip(now - self._gap_from))
            self._gap_from = now

    def _enter(self, state: str, why: str = "", gap: float = 0.0) -> None:
        """Tell of another state of the camera."""
        if (state, why) == (self._state, self._why) or (state == "back" and not gap):
            return
        now = self._time or (time.time() if self.source.live else 0.0)
        told = {"source": self.name, "time": now, "state": state, "why": why, "gap": gap}
        told["scoring"] = state in ("ok", "back")
        self._state, self._why = "ok" if state == "back" else state, why
        self._tell(as_line("health", told))

    def _announce(self, news: Iterator[Told]) -> None:
        for told in news:
            if told.state == "new":
                self.count += 1
            self._tell(self._pictured(told).line())

    def _pictured(self, told: Told) -> Told:
        """With the film and the thumbnail, where they are wanted."""
        if not self.clips or not self._wanted.out:
            return told
        thumbnail = self._wanted.out / "thumbnails" / f"{told.id}.png"
        with self._noting():
            if told.state == "new":
                self.clips.start(told.id)
            if told.end is not None:
                self.clips.end(told.id, told.end)
            if peak := self.events.peak:
                (picture,) = pictures(peak.found, self.limits)
                visualize.save(np.hstack((picture.heat, picture.arrows)), thumbnail)
            return replace(told, clip=str(self.clips.path(told.id)), thumbnail=str(thumbnail))
        return told
