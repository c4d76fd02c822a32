"""A teacher's weights: from a file, or through timm; and its features of all images, kept."""

from __future__ import annotations

import numpy as np
import torch

from dmad.data.footage import Footage
from dmad.data.windows import to_model
from dmad.files import temporary_array
from dmad.model.distillation import Teacher


@torch.inference_mode()
def keep_features(teacher: Teacher, footage: Footage, batch: int = 8) -> list[np.ndarray]:
    """The teacher's features of every frame, in temporary files of 16-bit floats.

    Returns:
        Of each stage (N, C_i, h_i, w_i), gone when nothing refers to it.
    """
    frames, kept = footage.frames, list[np.ndarray]()
    for start in range(0, len(frames), batch):
        x, _ = to_model(torch.from_numpy(frames[start : start + batch, None].copy()))
        stages = [stage.half().numpy() for stage in teacher(x)]
        kept = kept or [temporary_array((len(frames), *stage.shape[1:]), np.float16) for stage in stages]
        for whole, part in zip(kept, stages, strict=True):
            whole[start : start + len(part)] = part
    return kept
