"""Reads the frames of a clip, with their times and gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.paths import is_image
from dmad.data.reading.source_frames import shortest_gap
from dmad.data.reading.sources import with_times
from dmad.data.reading.video_files import resize_frame, video_frames


class ClipFrames:
    """Reads a clip once. Each frame is kept until `take` returns it, because its score comes later.

    Iterating yields frames (size, size, channels). If frames are missing in a video (a gap), None
    is yielded before the next frame. A folder of images has no gaps.

    Args:
        source: Video, folder of images, or image.
        frame_format: Size and colours of the frames.
        fps: Frames per second, for frames without a timestamp.
        warn: Called with one line for each damaged frame or file.
    """

    def __init__(
        self, source: Path, frame_format: FrameFormat, fps: float, warn: Callable[[str], None]
    ) -> None:
        self.source, self.frame_format, self.fps = source, frame_format, fps
        self.times: list[float] = []  # time of every frame so far, in seconds
        self.gaps: list[int] = []  # index of the first frame after each gap
        self._warn = warn
        self._kept: deque[Frame] = deque()

    def __iter__(self) -> Iterator[Frame | None]:
        if self.source.is_dir() or is_image(self.source):
            return self._read_images()
        return self._read_video()

    def take(self) -> Frame:
        """Return the oldest frame that was not yet taken."""
        return self._kept.popleft()

    @property
    def taken(self) -> int:
        """Number of frames that were taken."""
        return len(self.times) - len(self._kept)

    def _read_images(self) -> Iterator[Frame]:
        for image in decode(self.source, self.frame_format, self._warn):
            self._keep(image, len(self.times) / self.fps)
            yield image

    def _read_video(self) -> Iterator[Frame | None]:
        for timed in with_times(video_frames(self.source, self._warn), self.fps):
            if timed.missing > shortest_gap(self.fps):
                self.gaps.append(len(self.times))
                yield None
            image = resize_frame(timed.frame, self.frame_format)
            self._keep(image, timed.time)
            yield image

    def _keep(self, frame: Frame, time: float) -> None:
        self.times.append(time)
        self._kept.append(frame)
