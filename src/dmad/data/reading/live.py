"""Cameras and streams: read by a thread, the newest frame wins; what is lost is sought again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import av

from dmad.data.reading.source_frames import Form, Pace, Shot, Source, picture_of
from dmad.data.reading.video_files import video_stream
from dmad.errors import brief

FIRST, LONGEST = 0.25, 2.0  # seconds between attempts to connect, doubled from one to the other

PATIENCE = 5.0  # seconds without an answer or a frame after which a source is lost

UNTIMED = ("mpjpeg", "mjpeg")  # to which FFmpeg gives times of 25 frames a second, whatever comes

SLIP = 1.0  # seconds between a stream's clock and ours from which on ours is taken anew


class Live(Source):
    """A camera or stream, read by a thread.

    Args:
        url: What PyAV opens.
        form: What the model takes.
        wake: Set whenever a frame has come or the source is lost or done.
        options: As `av.open` takes them, such as `format`.
    """

    live = True

    def __init__(
        self, url: str, form: Form, wake: threading.Event | None = None, **options: Any
    ) -> None:
        super().__init__(form)
        self.url, self.options = url, options
        self.wake = wake or threading.Event()
        self.lost = "connecting"
        self._pace, self._offset, self._timed = Pace(form.rate), 0.0, True
        self._slot: tuple[av.VideoFrame, float, float] | None = None  # newest: time, gap
        self._last = 0.0  # time of the newest frame
        self._ahead = self._lead()
        self._fresh, self._stop, self._lock = True, threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self) -> Shot | None:
        """The newest frame; None after a moment without one."""
        over = not self._thread.is_alive()  # asked first: then nothing comes after what is there
        with self._lock:
            slot, self._slot = self._slot, None
        if slot is None:
            self.done = self.done or over
            return None
        frame, now, gap = slot
        return Shot(self.form.image(frame), picture_of(frame), now, gap)

    def stop(self) -> None:
        """Let nothing more come; does not wait."""
        super().stop()
        self._stop.set()

    def close(self) -> None:
        """Let go of it; what it waits for may take `PATIENCE`."""
        super().close()
        self._thread.join(PATIENCE + 1)

    def __iter__(self) -> Iterator[Shot]:
        while not self.done:
            self.wake.wait(0.2)
            self.wake.clear()
            if (shot := self.take()) is not None:
                yield shot

    def _run(self) -> None:
        pause = FIRST
        while not self._stop.is_set():
            before, self._fresh = self._last, True
            try:
                ended = self._read()
            except (av.FFmpegError, OSError, ValueError) as error:
                ended, self.lost = False, brief(error)
            self.wake.set()
            if ended:
                return
            pause = FIRST if self._last > before else min(2 * pause, LONGEST)
            self._stop.wait(pause)

    def _read(self) -> bool:
        """Read until the source ends; whether that is its end, as of a film."""
        with av.open(self.url, timeout=(PATIENCE, PATIENCE), **self.options) as container:
            stream = video_stream(container)
            self._timed, reached = container.format.name not in UNTIMED, 0.0
            self.fps = float(stream.average_rate or 0) if self._timed else 0.0
            film = self.url.startswith("http") and container.duration is not None
            for frame in container.decode(stream):
                if film and frame.time:  # else it would come as fast as it can be fetched
                    self._mind_the_clock()
                    ahead = frame.time + self._offset - time.time()
                    self._stop.wait(min(max(0.0, ahead), 2 * self.hole))
                if self._stop.is_set():
                    return True
                self._offer(frame)
                reached = frame.time or reached
            self.lost = "the stream ended"
            return film and reached > (container.duration or 0) / av.time_base - 1

    def _offer(self, frame: av.VideoFrame) -> None:
        now, gap = self._stamp(frame), 0.0
        if not self._pace.due(now):
            return
        if self._last and (self._fresh or now - self._last > self.hole):
            gap = now - self._last
            self.gaps += 1
            self.gap_seconds += gap
        self._fresh, self._last, self.lost = False, now, ""
        with self._lock:
            if self._slot:
                self.dropped += 1
                gap += self._slot[2]
            self._slot = (frame, now, gap)
        self.wake.set()

    @staticmethod
    def _lead() -> float:
        """Seconds by which the time of day is ahead of a clock that nobody sets."""
        since_boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # asleep it goes on
        return time.time() - time.clock_gettime(since_boot)

    def _mind_the_clock(self) -> None:
        """Where our clock was set, all times move with it, and what follows is a new beginning."""
        lead = self._lead()
        set_by, self._ahead = lead - self._ahead, lead
        if abs(set_by) > SLIP and self._last:
            self._last, self._offset = self._last + set_by, self._offset + set_by
            self._pace, self._fresh = Pace(self.form.rate), True

    def _stamp(self, frame: av.VideoFrame) -> float:
        """The stream's own clock, set by ours where they part; never backwards."""
        self._mind_the_clock()
        here = time.time()
        own = here if frame.time is None or not self._timed else frame.time + self._offset
        if abs(own - here) > SLIP:
            self._offset += here - own
            own = here
        return max(own, self._last + 1e-3)
