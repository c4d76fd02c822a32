"""x_bg of a view never trained on, from its own past frames; numpy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmad.data.footage import Footage, scene_of_frames, thin

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


def templates(footage: Footage, scenes: Sequence[str]) -> Tensor:
    """One template a view, (S, C, H, W) in [-1, 1], from frames spread over its footage."""
    index = scene_of_frames(footage, scenes)
    picks = [thin(np.flatnonzero(index == scene), SAMPLES) for scene in range(len(scenes))]
    return torch.from_numpy(np.stack([median_template(footage.frames[pick]) for pick in picks]))
