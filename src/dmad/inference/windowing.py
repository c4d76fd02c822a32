"""Windows of frames as they come: each frame with the T frames before it and its template."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmad.data.reading.frame_format import Frame
from dmad.data.templates import PastFrames


@dataclass(frozen=True)
class Window:
    """A frame and what it is judged with."""

    index: int  # position of the frame, counted from the first frame of its view
    frames: tuple[Frame, ...]  # T + 1, oldest first; the last is the one to be judged
    background: NDArray[np.float32] | None  # (C, H, W) template in [-1, 1], if the model has any


class WindowMaker:
    """Makes a window of each frame of one view, from this frame and earlier ones alone.

    Args:
        history: T, the number of frames before the one that is judged.
        template: Background template (C, H, W) of a view that was trained on.
        past: Collects the frames of a view that was not trained on; its template is their median.
            A frame is added after it was judged, so that no template contains the frame that is
            judged with it. (The first frame of a model of single images is its own past.)
    """

    def __init__(
        self,
        history: int,
        template: NDArray[np.float32] | None = None,
        past: PastFrames | None = None,
    ) -> None:
        self.history = history
        self.count = 0  # frames so far
        self._template, self._past = template, past
        self._frames: deque[Frame] = deque(maxlen=history + 1)

    def restart(self) -> None:
        """Forget the last frames, because the next does not follow them. The template is kept."""
        self._frames.clear()

    def add_frame(self, frame: Frame) -> Window | None:
        """Return the window of the next frame; None if there are not yet T frames before it."""
        self._frames.append(frame)
        self.count += 1
        complete = len(self._frames) > self.history
        window = None
        if complete:
            background = self._template if self._past is None else self._median(frame)
            window = Window(self.count - 1, tuple(self._frames), background)
        if self._past is not None:
            self._past.add_frame(frame)
        return window

    def _median(self, frame: Frame) -> NDArray[np.float32]:
        assert self._past is not None
        if not self._past.seen:
            self._past.add_frame(frame)
        return self._past.median()

    def windows(self, frames: Iterable[Frame | None]) -> Iterator[Window]:
        """Yield the windows of frames as they come; None marks a gap before the next frame."""
        for frame in frames:
            if frame is None:
                self.restart()
                continue
            window = self.add_frame(frame)
            if window is not None:
                yield window
