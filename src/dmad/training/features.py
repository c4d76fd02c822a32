"""The features of a frozen teacher, computed once for all images."""

from __future__ import annotations

import numpy as np
import torch

from dmad.data.footage import Footage
from dmad.data.windows import to_model
from dmad.files import temporary_array
from dmad.model.distillation import Teacher


@torch.inference_mode()
def compute_features(teacher: Teacher, footage: Footage, batch: int = 8) -> list[np.ndarray]:
    """Compute the features of every frame, in batches of `batch` frames.

    Returns:
        For each stage an array (N, C_i, h_i, w_i) of 16-bit floats in a temporary file.
    """
    frames = footage.frames
    arrays: list[np.ndarray] = []
    for start in range(0, len(frames), batch):
        x, _ = to_model(torch.from_numpy(frames[start : start + batch, None].copy()))
        stages = [stage.half().numpy() for stage in teacher(x)]
        if not arrays:
            shapes = [(len(frames), *stage.shape[1:]) for stage in stages]
            arrays = [temporary_array(shape, np.float16) for shape in shapes]
        for array, stage in zip(arrays, stages, strict=True):
            array[start : start + len(stage)] = stage
    return arrays
