"""Random deformations of the frames to predict: the fields learn from them to measure."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dmad.model.deformation import grid_units, warp_pixels

SPACING = 16  # pixels between the points where a deformation is drawn at random
DEFORMED_FRAMES = 0.7  # share of the frames that are deformed
DEFORMED_POINTS = 0.5  # share of the points that are moved in these frames


class RandomDeformations:
    """Deforms each frame to predict by a smooth random field. The past frames stay as they are.

    So the deformation cannot be predicted, and the reference shows the frame before it. Only the
    fields can make the reference match the frame.

    Args:
        pixels: Size of the deformations. The two components of a displacement have a standard
            deviation between 0 and this number of pixels, which differs between frames.
        seed: Random seed.
    """

    def __init__(self, pixels: float, seed: int) -> None:
        self.pixels, self.seed = pixels, seed

    def apply(self, images: Tensor, frames: np.ndarray, epoch: int) -> Tensor:
        """Deform each image by its own field. The fields differ between epochs.

        If a field points outside an image, the pixels of its border are repeated.

        Args:
            images: (B, H, W, C) uint8, whole frames or crops.
            frames: (B,) indices of these frames in the footage.
            epoch: Number of the epoch.

        Returns:
            (B, H, W, C) uint8.
        """
        height, width = images.shape[1:3]
        field = torch.stack([self._field(int(index), epoch, height, width) for index in frames])
        # Bicubic, because bilinear interpolation blurs: the reference would learn to be blurred.
        return warp_pixels(images, field, "bicubic")

    def _field(self, index: int, epoch: int, height: int, width: int) -> Tensor:
        """Return the field of one frame, (2, H, W) in grid units."""
        # Because of the 1, these are other numbers than those of the crops.
        random = np.random.default_rng((self.seed, epoch, index, 1))
        points = (height // SPACING + 1, width // SPACING + 1)
        size = self.pixels * random.random() * (random.random() < DEFORMED_FRAMES)
        moved = random.random((1, *points)) < DEFORMED_POINTS
        displacement = _enlarged(random.normal(0, size, (2, *points)), height, width, "bicubic")
        displacement *= _enlarged(moved, height, width, "bilinear")
        scale = torch.tensor([grid_units(1, width), grid_units(1, height)])
        return displacement * scale[:, None, None]


def _enlarged(values: np.ndarray, height: int, width: int, mode: str) -> Tensor:
    """Interpolate values at points, (C, h, w), to values at pixels, (C, H, W) float32."""
    at_points = torch.from_numpy(values).float()[None]
    return F.interpolate(at_points, size=(height, width), mode=mode, align_corners=True)[0]
