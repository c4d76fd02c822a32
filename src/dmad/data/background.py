"""x_bg: what a fixed view looks like without its visitors, from training footage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dmad.data.frames import Footage
from dmad.data.past import SAMPLES, median_template
from dmad.data.windows import scene_of_frames, thin


def templates(footage: Footage, scenes: Sequence[str]) -> Tensor:
    """One template a view, (S, C, H, W) in [-1, 1], from frames spread over its footage."""
    index = scene_of_frames(footage, scenes)
    picks = [thin(np.flatnonzero(index == scene), SAMPLES) for scene in range(len(scenes))]
    return torch.from_numpy(np.stack([median_template(footage.frames[pick]) for pick in picks]))
