"""x_bg of a view never trained on, from its own past frames; numpy alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

SAMPLES = 96
Frame = NDArray[np.uint8]  # (H, W, C)
REFRESH = 32  # frames after which a template from the past is computed anew


def template_of(scene: str, scenes: Sequence[str]) -> int | None:
    """Which of a model's templates a view has; None for a view never trained on.

    Where the model knows one view alone, a clip without a view's name is of that one.
    """
    if not scene and len(scenes) == 1:
        return 0
    return scenes.index(scene) if scene in scenes else None


def median_template(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Per-pixel median over time: (N, H, W, C) uint8 to (C, H, W) float32 in [-1, 1]."""
    median: NDArray[np.float32] = np.median(frames, axis=0).astype(np.float32)
    median = median.transpose(2, 0, 1)
    median = median / np.float32(127.5) - np.float32(1)
    return median


class Past:
    """Frames of the past, kept so that their median can be asked for at any time.

    At most `SAMPLES`: when full, every second is dropped and the spacing doubles, so memory is
    constant and all of the past is covered evenly.
    """

    def __init__(self) -> None:
        self.kept: list[NDArray[np.uint8]] = []
        self.spacing = 1
        self.seen = 0
        self._median: NDArray[np.float32] | None = None

    def push(self, frame: NDArray[np.uint8]) -> None:
        """Take note of a frame (H, W, C) uint8."""
        if self.seen % self.spacing == 0:
            self.kept.append(np.array(frame))
        self.seen += 1
        if self.until_refresh == REFRESH:
            self._median = None
        if len(self.kept) > SAMPLES:
            self.kept = self.kept[::2]
            self.spacing *= 2

    @property
    def until_refresh(self) -> int:
        """How many more frames the present template serves, 1 to `REFRESH`."""
        return REFRESH - self.seen % REFRESH

    def push_all(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Take note of several frames, oldest first."""
        for frame in frames:
            self.push(frame)

    def median(self) -> NDArray[np.float32]:
        """(C, H, W) in [-1, 1]: median of the frames up to the last refresh, at least one."""
        if self._median is None:
            self._median = median_template(np.stack(self.kept))
        return self._median


def at_once(past: Past | None, batch: int) -> int:
    """How many frames may be judged with the present template.

    The first frame of a model of single images is shown to `past` before it is judged and after.
    """
    return min(batch, past.until_refresh - (past.seen == 0)) if past else batch


def stretches(frames: Iterable[Frame | None]) -> Iterator[Iterator[Frame]]:
    """The frames up to each None, as they come; each is to be used up before the next."""
    source = iter(frames)
    for first in source:
        if first is not None:
            yield chain([first], _to_the_next(source))


def _to_the_next(frames: Iterator[Frame | None]) -> Iterator[Frame]:
    for frame in frames:
        if frame is None:
            return
        yield frame


def causal(
    frames: Iterable[Frame | None], history: int, past: Past | None, batch: int = 1
) -> Iterator[tuple[int, list[Frame]]]:
    """Frames as they come, each with those before it; none is kept longer than it is needed.

    Args:
        frames: (H, W, C) uint8 each, oldest first; any number. A None stands where the next does
            not follow the last.
        history: How many frames T stand before each that is judged.
        past: Told of every frame once it was judged, so that a template never sees what it is
            laid behind; the first frame of a model of single images is its own past.
        batch: Frames to be judged at once, at most; fewer where a template has to be refreshed.

    Yields:
        Position of the first frame to be judged, and all of them with the T frames before.
    """
    position = 0
    for stretch in stretches(frames):
        window = list(islice(stretch, history))
        position += len(window)
        if past:
            past.push_all(window)
        while chunk := list(islice(stretch, at_once(past, batch))):
            if past and not past.seen:
                past.push(chunk[0])
            yield position, window + chunk
            if past:
                past.push_all(chunk)
            position += len(chunk)
            window = (window + chunk)[len(chunk) :]
