"""x_bg: what a fixed view looks like without its visitors, from training footage or the past."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dmad.data.frames import Footage
from dmad.data.windows import scene_of_frames, thin

SAMPLES = 96
REFRESH = 32  # frames after which a template from the past is computed anew


def temporal_median(frames: np.ndarray) -> Tensor:
    """Per-pixel median over time: (N, H, W, C) uint8 to (C, H, W) float32 in [-1, 1]."""
    median = np.median(frames, axis=0).astype(np.float32)
    return torch.from_numpy(median).permute(2, 0, 1).div(127.5).sub(1)


def templates(footage: Footage, scenes: Sequence[str]) -> Tensor:
    """One template a view, (S, C, H, W) in [-1, 1], from frames spread over its footage."""
    index = scene_of_frames(footage, scenes)
    picks = [thin(np.flatnonzero(index == scene), SAMPLES) for scene in range(len(scenes))]
    return torch.stack([temporal_median(footage.frames[pick]) for pick in picks])


class PastTemplate:
    """Template of a view never trained on, from its own past frames alone.

    Keeps at most `SAMPLES` frames: when full, every second is dropped and the spacing doubles,
    so memory is constant and all of the past is covered evenly.
    """

    def __init__(self) -> None:
        self.kept: list[np.ndarray] = []
        self.spacing = 1
        self.seen = 0
        self._median: Tensor | None = None

    def push(self, frame: np.ndarray) -> None:
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

    def push_all(self, frames: Sequence[np.ndarray]) -> None:
        """Take note of several frames, oldest first."""
        for frame in frames:
            self.push(frame)

    def template(self) -> Tensor:
        """(C, H, W) in [-1, 1]: median of the frames up to the last refresh, at least one."""
        if self._median is None:
            self._median = temporal_median(np.stack(self.kept))
        return self._median
