"""What recorded and live sources share: frames with times and gaps, and a limited frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from dmad.data.footage import same_rate
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.video_files import upright_pixels

LONGEST_SIDE = 640  # pixels, of a picture for people
SHORTEST_GAP = 1.0  # seconds; more at very low frame rates
EARLY = 0.25  # a frame may be early by this share of the time between two frames

Pixels = NDArray[np.uint8]


def shortest_gap(fps: float) -> float:
    """Return how many seconds without a frame count as a gap. A shorter time is no gap.

    `fps` is the number of frames per second; 0 if unknown.
    """
    return max(SHORTEST_GAP, 3 / (fps or SHORTEST_GAP))


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """A frame of a source: for the model, as a picture for people, and its time."""

    image: Pixels  # (size, size, channels), as the model takes it
    picture: Pixels  # (h, w, 3) for people, at most `LONGEST_SIDE` on a side
    time: float  # seconds since the start of a recording; since 1970 for a live source
    gap: float = 0.0  # seconds without a frame before it; 0 without a gap


class RateLimiter:
    """Drops frames evenly, so that a given number of frames per second remains.

    Args:
        fps: Frames per second to accept. 0 accepts all.
        source_fps: Frames per second of the source; 0 if unknown. All frames are accepted if both
            rates are nearly the same.
    """

    def __init__(self, fps: float, source_fps: float = 0.0) -> None:
        self.period = 1 / fps if fps and not same_rate(source_fps, fps) else 0.0
        self._due = -np.inf  # time of the next frame to accept

    def accepts(self, time: float) -> bool:
        """Return True if the frame at `time` seconds is accepted, False if it is to be dropped.

        From call to call, `time` must not decrease.
        """
        if time < self._due - EARLY * self.period:
            return False
        planned = self._due if np.isfinite(self._due) else time
        self._due = max(planned, time - self.period) + self.period
        return True


class Source:
    """Base class of recorded and live sources. Close it, or use it in a `with` statement.

    Args:
        frame_format: Size and colours of the frames.
        target_fps: Frames per second to give. If the source has more, frames are dropped. 0 gives
            all frames.
    """

    live = False

    def __init__(self, frame_format: FrameFormat, target_fps: float = 0.0) -> None:
        self.frame_format = frame_format
        self.target_fps = target_fps
        self.source_fps = 0.0  # frames per second of the source; 0 until known
        self.done = False  # True if no frame follows
        self.dropped = 0  # number of frames that were replaced by newer ones before their use
        self.damaged = 0  # number of packets of a live source that could not be decoded
        self.gaps = 0  # number of gaps
        self.gap_seconds = 0.0  # sum of all gaps
        self.outage = ""  # why no frames come now; empty if frames come

    @property
    def fps(self) -> float:
        """Frames per second that the source gives; 0 if unknown."""
        return min(self.source_fps or self.target_fps, self.target_fps or self.source_fps)

    def next_frame(self) -> SourceFrame | None:
        """Return the next frame; None if no frame is ready or the source has ended (`done`)."""
        raise NotImplementedError

    def stop(self) -> None:
        """Make the source give no more frames. This call does not wait."""
        self.done = True

    def close(self) -> None:
        """Stop, and release the file or connection."""
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[SourceFrame]:
        while not self.done:
            frame = self.next_frame()
            if frame is not None:
                yield frame


def picture_for_people(frame: av.VideoFrame) -> Pixels:
    """Convert a decoded frame to an upright picture (h, w, 3), which is shown to people.

    Height and width are even numbers of pixels, at most `LONGEST_SIDE`.
    """
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (frame.width, frame.height))
    return upright_pixels(frame, "rgb24", width, height)
