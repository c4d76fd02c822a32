"""Where frames come from: video files, folders of frames, webcams, RTSP and HTTP streams.

A recorded source gives every frame. A live one is read in a thread of its own, and its newest frame
wins: what the model had no time for is dropped and counted.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import av
import numpy as np

from dmad.data.reading.decode import decode, probe
from dmad.data.reading.live import Live
from dmad.data.reading.paths import own_name
from dmad.data.reading.source_frames import Form, Pace, Shot, Source, picture_of
from dmad.data.reading.video_files import video_frames
from dmad.errors import require

logger = logging.getLogger(__name__)

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")


class Recorded(Source):
    """A video file or a folder of frames.

    Args:
        path: Which.
        form: What the model takes.
        fps: Frames a second where the source does not say; `form.rate` or 1 where 0.
        report: Called with one line for each thing that is damaged.
    """

    def __init__(
        self,
        path: Path,
        form: Form,
        fps: float = 0.0,
        report: Callable[[str], None] = logger.warning,
    ) -> None:
        super().__init__(form)
        require(path.exists(), f"{path} does not exist; give a video, a folder of frames or a URL")
        self.report = report
        self.fps = probe(path)[0] or fps or form.rate or 1.0
        self._shots = self._folder(path) if path.is_dir() else self._video(path)

    def take(self) -> Shot | None:
        """The next frame; `DmadError` where not one is readable."""
        shot = next(self._shots, None)
        self.done = shot is None
        return shot

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._shots.close()

    def _video(self, path: Path) -> Generator[Shot, None, None]:
        pace = Pace(self.form.rate, self.fps)
        for frame, now, missing in clocked(video_frames(path, self.report), self.fps):
            gap = missing if missing > self.hole else 0.0
            if pace.due(now):
                yield Shot(self.form.image(frame), picture_of(frame), now, gap)

    def _folder(self, path: Path) -> Generator[Shot, None, None]:
        form, pace = self.form, Pace(self.form.rate, self.fps)
        frames = decode(path, form.size, form.channels, self.report, antialias=form.antialias)
        for index, image in enumerate(frames):
            if pace.due(index / self.fps):
                shown = np.broadcast_to(image, (*image.shape[:2], 3))
                yield Shot(image, shown, index / self.fps)


def clocked(
    frames: Iterable[av.VideoFrame], fps: float
) -> Generator[tuple[av.VideoFrame, float, float], None, None]:
    """Frames of a recording, each with its seconds from the first and those missing before it.

    Where recordings were joined, and their clock goes back, time goes on.

    Args:
        frames: As they were stored.
        fps: Frames a second, where they do not say their time.
    """
    step, last, ahead = 1 / fps, None, 0.0
    for index, frame in enumerate(frames):
        now = (index * step if frame.time is None else frame.time) + ahead
        begun = 0.0 if last is None else last + step
        if last is None or now < last:
            ahead, now = ahead + begun - now, begun
        yield frame, now, now - begun
        last = now


def open_source(
    name: str,
    form: Form,
    fps: float = 0.0,
    wake: threading.Event | None = None,
    report: Callable[[str], None] = logger.warning,
) -> Source:
    """Open a source by path, URL or device.

    Args:
        name: Video file, folder of frames, URL (`SCHEMES`), `/dev/video0`, or `0` for it. A
            camera or stream that is not there is waited for.
        form: What the model takes.
        fps: Frames a second where a recording does not say.
        wake: As `Live` takes it.
        report: As `Recorded` takes it.

    Raises:
        DmadError: There is no such file, or the scheme is unknown.
    """
    scheme, divider, _ = name.partition("://")
    if divider:
        require(scheme in SCHEMES, f"cannot read {scheme}://; known: {', '.join(SCHEMES)}")
        options = {"analyzeduration": "1000000"}
        if scheme.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        return Live(name, form, wake, options=options)
    device = f"/dev/video{name}" if name.isdigit() and not Path(name).exists() else name
    if device.startswith("/dev/video"):
        return Live(device, form, wake, format="v4l2")
    return Recorded(Path(name), form, fps, report)


def plain_name(name: str) -> str:
    """A source's name for people and files: without user, password and folders.

    Of a URL its host and port, and its path where that looks like no secret: some cameras take the
    password there, and RTMP the stream's key.
    """
    scheme, divider, place = name.partition("://")
    if divider:
        place, secret = place.rpartition("@")[2], scheme == "rtmp"  # no @ is left of the password
        host, _, path = re.split(r"[?#]", place)[0].partition("/")
        parts = [host] if secret or "=" in path or "&" in path else [host, *path.split("/")]
        return "-".join(part for part in parts if part).replace(":", "-")
    path = Path(name)
    return own_name(path) if path.is_dir() or name.startswith("/dev/") else path.stem
