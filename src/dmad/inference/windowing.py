"""Windows. A window is a frame with the T frames before it and its background template."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmad.data.reading.frame_format import Frame
from dmad.data.templates import PastFrames


@dataclass(frozen=True, eq=False)
class Window:
    """A frame, and the past frames and the template that are needed to score it."""

    index: int  # position of the frame, counted from the first frame of its view
    frames: tuple[Frame, ...]  # T + 1, oldest first; the last frame is scored
    background: NDArray[np.float32] | None  # (C, H, W) in [-1, 1]: the template, or None


class WindowMaker:
    """Makes a window for each frame of one view. Only this frame and earlier frames are used.

    Args:
        history: T, the number of frames before the scored frame.
        template: Background template (C, H, W) of a view that was in the training.
        past: Collects the frames of a view that was not in the training. Their median is the
            template. A frame is added after its window was made, so the template of a frame does
            not contain this frame. There is one exception: if T is 0, the first frame has no past
            frames. So it is its own template.
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

    @property
    def background(self) -> NDArray[np.float32] | None:
        """The present template (C, H, W).

        None if the model has no templates. For a view that was not in the training, None before
        its first frame.
        """
        if self._past is None:
            return self._template
        return self._past.median() if self._past.seen else None

    def restart(self) -> None:
        """Forget the past frames, but keep the template.

        This is called at a gap, where frames are missing: no window may contain frames from both
        sides of a gap.
        """
        self._frames.clear()

    def add_frame(self, frame: Frame) -> Window | None:
        """Return the window of the next frame; None if too few frames were added before it."""
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
        """Yield a window as soon as its frame arrives. None stands for missing frames (a gap).

        Frames without enough past frames have no window.
        """
        for frame in frames:
            if frame is None:
                self.restart()
                continue
            window = self.add_frame(frame)
            if window is not None:
                yield window
