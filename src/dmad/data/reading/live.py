"""Live sources: a thread reads a camera or stream, and reconnects if the connection is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.source_frames import (
    RateLimiter,
    Source,
    SourceFrame,
    picture_for_people,
    shortest_gap,
)
from dmad.data.reading.stream_clock import StreamClock
from dmad.data.reading.video_files import resize_frame
from dmad.data.reading.video_header import is_timed, video_stream, without_empty
from dmad.errors import one_line

FIRST_PAUSE = 0.25  # seconds until the second attempt to connect; doubled after each failure
LONGEST_PAUSE = 2.0  # longest time between two attempts, in seconds
TIMEOUT = 5.0  # seconds; a source is lost if it gives no answer or frame for this time
UNDECODED = 20.0  # seconds; the source is opened again if no frame can be decoded for this time
CONNECTING = "connecting"  # the outage of a source that has not answered yet
STILL_RATE = 1.0  # single pictures per second that are read if no rate is given


@dataclass(frozen=True)
class _NewestFrame:
    frame: av.VideoFrame
    time: float  # seconds since 1970
    gap: float  # seconds without a frame before it


class LiveSource(Source):
    """A camera or stream, read by a thread.

    Damaged frames are left out and counted. An address that gives a single picture, such as
    `http://camera/snap.jpg`, is read again and again.

    Args:
        url: URL or device that PyAV can open.
        frame_format: Size and colours of the frames.
        target_fps: Largest number of frames per second that the source gives. 0: all frames.
        wake: A `threading.Event`. It is set if there is a new frame, or the source is lost or has
            ended.
        options: Options of `av.open`, such as `format`.
    """

    live = True

    def __init__(
        self,
        url: str,
        frame_format: FrameFormat,
        target_fps: float = 0.0,
        wake: threading.Event | None = None,
        **options: Any,
    ) -> None:
        super().__init__(frame_format, target_fps)
        self.url, self.options = url, options
        self.wake = wake or threading.Event()
        self.outage = CONNECTING
        self.clock = StreamClock()
        self._limiter = RateLimiter(target_fps)
        self._newest: _NewestFrame | None = None  # None if `next_frame` has returned it
        self._restarted = True  # True if there may be a gap before the next frame
        self._gives_pictures = False  # True for an address of single pictures
        self._heard = 0.0  # time in seconds when the source answered last, or was opened
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._read_until_stopped, daemon=True)
        self._thread.start()

    def next_frame(self) -> SourceFrame | None:
        """Return the newest frame; None if there is no new one."""
        # If the thread ends after this line, the next call returns its last frame.
        ended = not self._thread.is_alive()
        with self._lock:
            newest, self._newest = self._newest, None
        if newest is None:
            self.done = self.done or ended
            return None
        return SourceFrame(
            image=resize_frame(newest.frame, self.frame_format),
            picture=picture_for_people(newest.frame),
            time=newest.time,
            gap=newest.gap,
        )

    def stop(self) -> None:
        """Stop reading. The function returns at once and does not wait for the thread."""
        super().stop()
        self._stopping.set()

    def close(self) -> None:
        """Stop, and wait for the thread. This takes some seconds if no data arrives."""
        super().close()
        self._thread.join(TIMEOUT + 1)

    def __iter__(self) -> Iterator[SourceFrame]:
        while not self.done:
            self.wake.wait(0.2)
            self.wake.clear()
            frame = self.next_frame()
            if frame is not None:
                yield frame

    def _read_until_stopped(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            before = self.clock.last
            self._restarted = True
            ended = False
            try:
                ended = self._read_pictures() if self._gives_pictures else self._read()
            except (av.FFmpegError, OSError, ValueError) as error:
                self.outage = self._reason(error)
            self.wake.set()
            if ended:
                return
            if self._gives_pictures and not self.outage:
                continue  # the first picture was read, and the next is due
            had_frames = self.clock.last > before
            pause = FIRST_PAUSE if had_frames else min(2 * pause, LONGEST_PAUSE)
            self._stopping.wait(pause)

    def _reason(self, error: Exception) -> str:
        """Return a text that says why the source is lost.

        If the source did not answer for a long time, the text says so, because the error of FFmpeg
        is misleading: for an RTSP camera that sends nothing, it is "invalid data".
        """
        if time.monotonic() - self._heard >= 0.9 * TIMEOUT:
            return f"no answer for {TIMEOUT:g} seconds"
        return one_line(error)

    def _read(self) -> bool:
        """Read until the connection ends.

        Returns:
            True if no frame follows: the source was stopped, or a video file was read completely.
            False: the source must be opened again.
        """
        self._heard = time.monotonic()
        with self._open() as container:
            stream = video_stream(container)
            self.clock.trusts_stream = is_timed(container)
            self.source_fps = 0.0
            if self.clock.trusts_stream:
                self.source_fps = float(stream.average_rate or 0)
            is_http = self.url.lower().startswith("http")
            is_file = is_http and container.duration is not None
            if is_http and _is_picture(container):
                self._gives_pictures, self.outage = True, ""
                return False
            reached, count = 0.0, 0
            for frame in self._decoded(container, stream):
                if is_file and frame.time:
                    self._wait_until_due(frame.time)
                if self._stopping.is_set():
                    return True
                self.add_frame(frame)
                reached, count = frame.time or reached, count + 1
            if is_http and count == 1:  # FFmpeg may read a single picture as Motion JPEG
                self._gives_pictures = True
                return False
            self.outage = "the stream ended"
            return is_file and reached > (container.duration or 0) / av.time_base - 1

    def _open(self) -> av.container.InputContainer:
        """Open the address. An address of single pictures gets a ? at its end.

        Without the ?, FFmpeg reports an intact picture as damaged if the address ends in .jpg and
        the camera does not state the length of the picture.
        """
        url = self.url
        if self._gives_pictures and "?" not in url:
            url += "?"
        container: av.container.InputContainer = av.open(
            url, timeout=(TIMEOUT, TIMEOUT), **self.options
        )
        return container

    def _decoded(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.VideoFrame]:
        """Yield the frames that can be decoded, and count the others.

        A camera may send no whole picture for some seconds after the start of a connection. So an
        error in decoding does not end the connection at once.

        Raises:
            av.FFmpegError: The connection is lost, or no frame was decoded for `UNDECODED` seconds.
        """
        decoded = time.monotonic()  # time of the last frame
        for packet in without_empty(container.demux(stream)):
            self._heard = time.monotonic()
            try:
                for frame in packet.decode():
                    yield frame
                    decoded = time.monotonic()
            except av.FFmpegError as error:
                self.damaged += 1
                seconds = self._heard - decoded
                if seconds > UNDECODED:
                    raise
                if seconds > TIMEOUT:
                    self.outage = f"no frame can be decoded ({one_line(error)})"
                    self.wake.set()

    def _read_pictures(self) -> bool:
        """Read an address of single pictures until the source is stopped.

        Returns:
            Always True: the source was stopped, and no frame follows.

        Raises:
            ValueError: The address gave no picture for `TIMEOUT` seconds.
        """
        self.clock.trusts_stream = False
        read, period = time.monotonic(), 1 / (self.target_fps or STILL_RATE)
        while not self._stopping.is_set():
            self._heard = time.monotonic()
            try:
                with self._open() as container:
                    frame = next(container.decode(video_stream(container)))
            except (av.FFmpegError, OSError, ValueError, StopIteration) as error:
                self.damaged += 1
                if self._heard - read > TIMEOUT:
                    raise ValueError(one_line(error)) from error
            else:
                read = time.monotonic()
                rate = 1 / max(read - self._heard, period)
                self.source_fps = 0.9 * (self.source_fps or rate) + 0.1 * rate
                self.add_frame(frame)
            self._stopping.wait(max(0.0, self._heard + period - time.monotonic()))
        return True

    def _wait_until_due(self, stream_time: float) -> None:
        """Wait until a frame is due, so that a video file is not played faster than recorded."""
        self._check_clock()
        seconds = max(0.0, self.clock.seconds_until(stream_time))
        self._stopping.wait(min(seconds, 2 * shortest_gap(self.fps)))

    def _check_clock(self) -> None:
        if self.clock.was_set():
            self._limiter = RateLimiter(self.target_fps)
            self._restarted = True

    def add_frame(self, frame: av.VideoFrame) -> None:
        """Store a frame as the newest frame. Only the reading thread calls this.

        If `target_fps` limits the frame rate and the frame comes too early, it is left out.
        """
        self._check_clock()
        frame_time = self.clock.time_of(frame.time)
        if not self._limiter.accepts(frame_time):
            return
        gap = 0.0
        last = self.clock.last
        if last and (self._restarted or frame_time - last > shortest_gap(self.fps)):
            gap = frame_time - last
            self.gaps += 1
            self.gap_seconds += gap
        self._restarted = False
        self.clock.last = frame_time
        self.outage = ""
        with self._lock:
            if self._newest:
                self.dropped += 1
                gap += self._newest.gap
            self._newest = _NewestFrame(frame, frame_time, gap)
        self.wake.set()


def _is_picture(container: av.container.InputContainer) -> bool:
    """True if a container is a picture file."""
    name = container.format.name
    return name == "image2" or name.endswith("_pipe")
