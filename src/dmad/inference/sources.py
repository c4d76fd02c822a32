"""Where frames come from: video files, folders of frames, webcams, RTSP and HTTP streams.

A recorded source gives every frame. A live one is read in a thread of its own, and its newest frame
wins: what the model had no time for is dropped and counted. A live source that is lost is sought
again and again, at most `LONGEST` seconds apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import av
import numpy as np
from numpy.typing import NDArray

from dmad.config import DataConfig, require
from dmad.data.decoding import brief, decode, probe, shrink, video_frames
from dmad.evaluation.calibration import Calibration

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")
SHOWN = 640  # longest side of what people see, pixels
FIRST, LONGEST = 0.25, 2.0  # seconds between attempts to connect, doubled from one to the other
PATIENCE = 5.0  # seconds without an answer or a frame after which a source is lost
SLIP = 1.0  # seconds between a stream's clock and ours from which on ours is taken anew
SLACK = 0.25  # share of a frame's duration that it may come early
SAME = 0.1  # rates that differ by less than this share are one

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Form:
    """What a model takes.

    Args:
        size: Height and width in pixels.
        channels: 1 for grey, 3 for colour.
        antialias: As in training.
        rate: Frames a second of its training, to which faster sources are thinned; 0 takes all.
    """

    size: int
    channels: int
    antialias: bool = True
    rate: float = 0.0

    @classmethod
    def of(cls, data: DataConfig, calibration: Calibration | None, rate: float = 0.0) -> Form:
        """A model's; its rate is that of the footage its threshold was set on, unless given."""
        trained = calibration.fps if calibration else data.fps
        return cls(data.size, data.channels, data.antialias, rate or trained)

    def image(self, frame: av.VideoFrame) -> Pixels:
        """(size, size, channels)."""
        return shrink(frame, self.size, self.channels, self.antialias)


@dataclass(frozen=True)
class Shot:
    """A frame of a source."""

    image: Pixels  # (size, size, channels), as the model takes it
    picture: Pixels  # (h, w, 3), as people see it, no longer than `SHOWN`
    time: float  # seconds: into a recording; since 1970 of a live source
    gap: float = 0.0  # seconds that are missing before it


class Pace:
    """Thins frames to a rate, evenly and without drifting.

    Args:
        rate: Frames a second; 0 lets all through.
        source: Frames a second of the source; 0 where unknown. At nearly the same all pass.
    """

    def __init__(self, rate: float, source: float = 0.0) -> None:
        self.period = 1 / rate if rate and not abs(source - rate) < SAME * rate else 0.0
        self._next = -np.inf

    def due(self, now: float) -> bool:
        """Whether a frame of this time, in seconds, is taken."""
        if now < self._next - SLACK * self.period:
            return False
        self._next = max(self._next, now - self.period) + self.period
        return True


class Source:
    """What recorded and live sources share; close it, or use it in a `with` statement."""

    live = False

    def __init__(self) -> None:
        self.done = False  # no frame will come any more
        self.dropped = 0  # frames the model had no time for
        self.gaps = 0  # times the source was lost
        self.gap_seconds = 0.0  # missing in all
        self.lost = ""  # why nothing comes at present; empty where something does

    def take(self) -> Shot | None:
        """The next frame, or None where there is none now."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of it."""
        self.done = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Shot]:
        while not self.done:
            if (shot := self.take()) is not None:
                yield shot


class Recorded(Source):
    """A video file or a folder of frames.

    Args:
        path: Which.
        form: What the model takes.
        fps: Frames a second where the source does not say; `form.rate` or 1 where 0.
        report: Called with one line for each thing that is damaged.
    """

    def __init__(
        self, path: Path, form: Form, fps: float = 0.0, report: Callable[[str], None] = print
    ) -> None:
        super().__init__()
        require(path.exists(), f"{path} does not exist; give a video, a folder of frames or a URL")
        self.form, self.report = form, report
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

    def _video(self, path: Path) -> Any:
        pace = Pace(self.form.rate, self.fps)
        for index, frame in enumerate(video_frames(path, self.report)):
            now = frame.time if frame.time is not None else index / self.fps
            if pace.due(now):
                yield Shot(self.form.image(frame), picture_of(frame), now)

    def _folder(self, path: Path) -> Any:
        form, pace = self.form, Pace(self.form.rate, self.fps)
        frames = decode(path, form.size, form.channels, self.report, antialias=form.antialias)
        for index, image in enumerate(frames):
            if pace.due(index / self.fps):
                shown = np.broadcast_to(image, (*image.shape[:2], 3))
                yield Shot(image, shown, index / self.fps)


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
        super().__init__()
        self.url, self.form, self.options = url, form, options
        self.wake = wake or threading.Event()
        self.lost = "connecting"
        self._pace, self._offset = Pace(form.rate), 0.0
        self._slot: tuple[av.VideoFrame, float, float] | None = None  # newest: time, gap
        self._last = 0.0  # time of the newest frame
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

    def close(self) -> None:
        """Let go of it; what it waits for may take `PATIENCE`."""
        super().close()
        self._stop.set()
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
            except (av.FFmpegError, OSError, IndexError, ValueError) as error:
                ended, self.lost = False, brief(error)
            self.wake.set()
            if ended:
                return
            pause = FIRST if self._last > before else min(2 * pause, LONGEST)
            self._stop.wait(pause)

    def _read(self) -> bool:
        """Read until the source ends; whether that is its end, as of a film."""
        with av.open(self.url, timeout=(PATIENCE, PATIENCE), **self.options) as container:
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                if self._stop.is_set():
                    return True
                self._offer(frame)
            self.lost = "the stream ended"
            return container.duration is not None

    def _offer(self, frame: av.VideoFrame) -> None:
        now, gap = self._stamp(frame), 0.0
        if not self._pace.due(now):
            return
        if self._fresh and self._last:
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

    def _stamp(self, frame: av.VideoFrame) -> float:
        """The stream's own clock, set by ours where they part; never backwards."""
        here = time.time()
        own = here if frame.time is None else frame.time + self._offset
        if abs(own - here) > SLIP:
            self._offset += here - own
            own = here
        return max(own, self._last + 1e-3)


def open_source(
    name: str,
    form: Form,
    fps: float = 0.0,
    wake: threading.Event | None = None,
    report: Callable[[str], None] = print,
) -> Source:
    """Open a source by path, URL or device.

    Args:
        name: Video file, folder of frames, URL (`SCHEMES`), `/dev/video0`, or `0` for it.
        form: What the model takes.
        fps: Frames a second where a recording does not say.
        wake: As `Live` takes it.
        report: As `Recorded` takes it.

    Raises:
        DmadError: There is no such file or device, or the scheme is unknown.
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
        require(Path(device).exists(), f"no camera at {device}; see `ls /dev/video*`")
        return Live(device, form, wake, format="v4l2")
    return Recorded(Path(name), form, fps, report)


def plain_name(name: str) -> str:
    """A source's name for people and files: without user, password and folders."""
    parts = urlsplit(name)
    if parts.netloc:
        place = parts.netloc.rpartition("@")[2] + parts.path
        return "-".join(place.replace(":", "/").strip("/").split("/"))
    path = Path(name).absolute()
    return path.name if path.is_dir() or name.startswith("/dev/") else path.stem


def picture_of(frame: av.VideoFrame) -> Pixels:
    """A decoded frame for people: (h, w, 3), of even sides, no longer than `SHOWN`."""
    scale = min(1.0, SHOWN / max(frame.width, frame.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (frame.width, frame.height))
    small = frame.reformat(width, height, "rgb24", interpolation="BILINEAR")
    return np.asarray(small.to_ndarray(), np.uint8)
