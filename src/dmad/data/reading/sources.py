"""Opens a source of frames: video file, folder of images, webcam, RTSP or HTTP stream.

A recorded source gives every frame. A live source is read by a thread. If the model is too slow, a
newer frame replaces the waiting frame, which is counted as dropped.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import av
import numpy as np

from dmad.data.reading.decode import decode, probe
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.live import LiveSource
from dmad.data.reading.paths import real_name, require_regular_file, shown
from dmad.data.reading.recording_clock import RecordingClock
from dmad.data.reading.source_frames import (
    RateLimiter,
    Source,
    SourceFrame,
    picture_for_people,
    shortest_gap,
)
from dmad.data.reading.video_files import resize_frame, video_frames
from dmad.errors import require

logger = logging.getLogger(__name__)

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")
# A host has a dot, or is localhost or an IPv6 address. The name of a user does not look like this.
HOST = r"(localhost|[\w-]+(\.[\w-]+)+|\[[0-9a-fA-F:.]+\])(:\d*)?"


class RecordedSource(Source):
    """A video file or a folder of images.

    Args:
        path: The file or folder.
        frame_format: Size and colours of the frames.
        target_fps: Frames per second to give; 0 gives all frames. For a recording without
            timestamps (a folder, or a raw stream such as .h264), this is its frame rate.
        report: Called with one line for each damaged frame or file.
    """

    def __init__(
        self,
        path: Path,
        frame_format: FrameFormat,
        target_fps: float = 0.0,
        report: Callable[[str], None] = logger.warning,
    ) -> None:
        super().__init__(frame_format, target_fps)
        expected = "give a video, a folder of frames or a URL such as rtsp://host/stream"
        require(path.exists(), f"{shown(path)} does not exist; {expected}")
        require_regular_file(path)
        self.report = report
        self.source_fps = probe(path, target_fps)[0] or 1.0
        self._frames = self._read_folder(path) if path.is_dir() else self._read_video(path)

    def next_frame(self) -> SourceFrame | None:
        """Return the next frame; None at the end.

        Raises:
            DmadError: No frame of the file is readable.
        """
        frame = next(self._frames, None)
        self.done = frame is None
        return frame

    def close(self) -> None:
        """Stop, and close the file."""
        super().close()
        self._frames.close()

    def _read_video(self, path: Path) -> Generator[SourceFrame, None, None]:
        limiter = RateLimiter(self.target_fps, self.source_fps)
        longest_pause = shortest_gap(self.fps)
        for timed in with_times(video_frames(path, self.report), self.source_fps):
            if limiter.accepts(timed.time):
                yield SourceFrame(
                    image=resize_frame(timed.frame, self.frame_format),
                    picture=picture_for_people(timed.frame),
                    time=timed.time,
                    gap=timed.missing if timed.missing > longest_pause else 0.0,
                )

    def _read_folder(self, path: Path) -> Generator[SourceFrame, None, None]:
        limiter = RateLimiter(self.target_fps, self.source_fps)
        for index, image in enumerate(decode(path, self.frame_format, self.report)):
            time = index / self.source_fps
            if limiter.accepts(time):
                picture = np.broadcast_to(image, (*image.shape[:2], 3))
                yield SourceFrame(image, picture, time)


@dataclass(frozen=True)
class TimedFrame:
    """A frame of a recording, and its time."""

    frame: av.VideoFrame
    time: float  # seconds since the first frame
    missing: float  # seconds by which it is later than expected from the frame rate


def with_times(frames: Iterable[av.VideoFrame], fps: float) -> Generator[TimedFrame, None, None]:
    """Add times to the frames of a recording, as `RecordingClock` computes them.

    Args:
        frames: Frames in the order in which they are decoded.
        fps: Frames per second; used for frames without a timestamp.
    """
    clock = RecordingClock(fps)
    for frame in frames:
        expected = clock.expected
        time = clock.time_of(frame.time)
        yield TimedFrame(frame, time, missing=max(0.0, time - expected))


def open_source(
    name: str,
    frame_format: FrameFormat,
    target_fps: float = 0.0,
    wake: threading.Event | None = None,
    report: Callable[[str], None] = logger.warning,
) -> Source:
    """Open a source by path, URL or device.

    Args:
        name: Video file, folder of images, URL (`SCHEMES`), `/dev/video0`, or `0` for that device.
            A camera or stream that cannot be reached is tried again until it can be reached. A
            name that looks like a URL is a path if the file exists.
        frame_format: Size and colours of the frames.
        target_fps: Frames per second to give; 0 gives all frames. If a recording does not state
            its own rate, this is its rate.
        wake: An event that is set when a live source has a new frame, loses its connection or ends.
        report: Called with one line for each damaged frame or file of a recording.

    Raises:
        DmadError: The file does not exist, or the scheme of the URL is unknown.
    """
    if os.path.exists(name) and not name.startswith("/dev/video"):
        return RecordedSource(Path(name), frame_format, target_fps, report)
    scheme, divider, _ = name.partition("://")
    if divider:
        known = ", ".join(SCHEMES)
        require(scheme.lower() in SCHEMES, f"cannot read {shown(name)}; known schemes: {known}")
        options = {"analyzeduration": "1000000"}
        if scheme.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        return LiveSource(name, frame_format, target_fps, wake, options=options)
    device = f"/dev/video{name}" if name.isdigit() else name
    if device.startswith("/dev/video"):
        return LiveSource(device, frame_format, target_fps, wake, format="v4l2")
    return RecordedSource(Path(name), frame_format, target_fps, report)


def source_name(source: str) -> str:
    """A short name of a source for messages and files, without user, password and folders.

    The name of a URL is its host, port and path. The path is left out if it may contain a secret:
    some cameras expect the password there, and RTMP expects the key of the stream. If it is not
    clear which part is the host, the name is the scheme.
    """
    address = re.match(r"([a-z][a-z0-9+.-]+):/+(.*)", source, re.IGNORECASE)
    if address and not os.path.exists(source):
        scheme, place = address[1].lower(), address[2]
        host, path = _host_and_path(place)
        may_hold_secret = scheme.startswith("rtmp") or re.search("[=&@:;]", unquote(path))
        parts = [host] if may_hold_secret else [host, *path.split("/")]
        return "-".join(part for part in parts if part).replace(":", "-") or scheme
    file = Path(source if os.path.exists(source) else source.rpartition("@")[2])
    is_whole = os.path.isdir(file) or source.startswith("/dev/")  # False if the name is too long
    return real_name(file) if is_whole else file.stem


def _host_and_path(place: str) -> tuple[str, str]:
    """Split an address without scheme into the host (with its port) and the path.

    An address may begin with user, password and @, which are left out. Some users write @ / ? and #
    in a password without encoding them, and a path may contain @ too. So it is not always clear
    which part is the host. Then host and path are empty.
    """
    front = re.split("[/?#]", place)[0]
    rest = place.removeprefix(front)
    if "@" not in rest:
        return front.rpartition("@")[2], re.split("[?#]", rest)[0]
    if "@" not in front and re.fullmatch(HOST, front):
        return front, ""
    if "@" in front or "=" in rest or "&" in rest:
        return "", ""
    place = place.rpartition("@")[2]
    host, _, path = re.split("[?#]", place)[0].partition("/")
    return host, path
