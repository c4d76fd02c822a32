"""x_bg: what a fixed view looks like without its visitors, from training footage or the past."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dmad.data.frames import Footage
from dmad.data.past import SAMPLES, Past, median_template
from dmad.data.windows import scene_of_frames, thin


def temporal_median(frames: np.ndarray) -> Tensor:
    """Per-pixel median over time: (N, H, W, C) uint8 to (C, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(median_template(frames))


def templates(footage: Footage, scenes: Sequence[str]) -> Tensor:
    """One template a view, (S, C, H, W) in [-1, 1], from frames spread over its footage."""
    index = scene_of_frames(footage, scenes)
    picks = [thin(np.flatnonzero(index == scene), SAMPLES) for scene in range(len(scenes))]
    return torch.stack([temporal_median(footage.frames[pick]) for pick in picks])


class PastTemplate(Past):
    """Template of a view never trained on, from its own past frames alone."""

    def template(self) -> Tensor:
        """(C, H, W) in [-1, 1]: median of the frames up to the last refresh, at least one."""
        return torch.from_numpy(self.median())
