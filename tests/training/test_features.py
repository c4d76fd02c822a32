"""Features of a frozen teacher."""

import numpy as np
import torch

from dmad.data.footage import footage_from_arrays
from dmad.data.windows import to_model
from dmad.model.distillation import Teacher
from dmad.training.features import compute_features


def test_features_are_those_of_the_teacher_in_16_bit() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), np.uint8)
    teacher = Teacher("resnet18")
    arrays = compute_features(teacher, footage_from_arrays([frames]), batch=2)
    assert [stage.shape for stage in arrays] == [(5, 64, 8, 8), (5, 128, 4, 4), (5, 256, 2, 2)]
    x, _ = to_model(torch.from_numpy(frames[:, None]))
    for stage, expected in zip(arrays, teacher(x), strict=True):
        torch.testing.assert_close(torch.from_numpy(stage).float(), expected, rtol=2e-3, atol=2e-3)
