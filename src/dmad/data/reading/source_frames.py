"""What every source gives: frames as the model takes them, with a time, at the trained rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.config import DataConfig
from dmad.data.footage import same_rate
from dmad.data.reading.video_files import shrink, turned

SHOWN = 640  # longest side of what people see, pixels

HOLE = 1.0  # seconds without a frame, after which nothing goes on as before

SLACK = 0.25  # share of a frame's duration that it may come early

Pixels = NDArray[np.uint8]


def hole_at(rate: float) -> float:
    """Seconds without a frame that are a hole, at so many frames a second; 0 where unknown."""
    return max(HOLE, 3 / (rate or HOLE))


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
        self.period = 1 / rate if rate and not same_rate(source, rate) else 0.0
        self._next = -np.inf  # time of the next frame

    def due(self, now: float) -> bool:
        """Whether a frame of this time, in seconds, is taken."""
        if now < self._next - SLACK * self.period:
            return False
        grid = self._next if np.isfinite(self._next) else now
        self._next = max(grid, now - self.period) + self.period
        return True


class Source:
    """What recorded and live sources share; close it, or use it in a `with` statement."""

    live = False

    def __init__(self, form: Form) -> None:
        self.form, self.fps = form, 0.0  # frames a second, once known
        self.done = False  # no frame will come any more
        self.dropped = 0  # frames the model had no time for
        self.gaps = 0  # times the source was lost
        self.gap_seconds = 0.0  # missing in all
        self.lost = ""  # why nothing comes at present; empty where something does

    @property
    def rate(self) -> float:
        """Frames a second that are judged."""
        return min(self.fps or self.form.rate, self.form.rate or self.fps)

    @property
    def hole(self) -> float:
        """Seconds without a frame that are a gap."""
        return hole_at(self.rate)

    def take(self) -> Shot | None:
        """The next frame, or None where there is none now."""
        raise NotImplementedError

    def stop(self) -> None:
        """Let nothing more come; does not wait."""
        self.done = True

    def close(self) -> None:
        """Let go of it."""
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

    def __iter__(self) -> Iterator[Shot]:
        while not self.done:
            if (shot := self.take()) is not None:
                yield shot


def picture_of(frame: av.VideoFrame) -> Pixels:
    """A decoded frame for people: (h, w, 3), of even sides, no longer than `SHOWN`."""
    scale = min(1.0, SHOWN / max(frame.width, frame.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (frame.width, frame.height))
    small = frame.reformat(width, height, "rgb24", interpolation="BILINEAR")
    return turned(np.asarray(small.to_ndarray(), np.uint8), frame)
