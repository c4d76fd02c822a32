"""Deformation fields, their estimators ψ and ψ', and functions that apply and compose fields.

A field is (B, 2, H, W), with channel 0 = x (right) and 1 = y (down). Its unit is the grid unit: the
centres of the first and the last pixel of an axis are at -1 and 1 (`align_corners=True`). The value
of a field at a pixel is the vector from this pixel to the position where the image is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.config import ModelConfig
from dmad.model.coordinates import CoordConv2d, Place, PositionedLayers, coordinates


def grid_units(pixels: float, size: int) -> float:
    """Convert a length from pixels to grid units, for an axis of `size` pixels."""
    return 2 * pixels / (size - 1)


def field_in_pixels(field: Tensor) -> Tensor:
    """Convert a field (B, 2, H, W) from grid units to pixels."""
    height, width = field.shape[-2:]
    scale = field.new_tensor([(width - 1) / 2, (height - 1) / 2])
    return field * scale[:, None, None]


def warp(image: Tensor, field: Tensor, mode: str = "bilinear") -> Tensor:
    """Eq. 7: image ∘ field. Sample the image where the field points.

    Positions outside the image are moved to its border.

    Args:
        image: (B, C, H, W).
        field: (B, 2, H, W) in grid units; zero is the identity.
        mode: Interpolation between pixels, `bilinear` or `bicubic`.

    Returns:
        (B, C, H, W).
    """
    grid = coordinates(field.shape[-2], field.shape[-1], like=field) + field
    grid = grid.clamp(-1, 1).permute(0, 2, 3, 1)
    return F.grid_sample(
        image.to(grid.dtype), grid, mode=mode, padding_mode="border", align_corners=True
    )


def warp_pixels(images: Tensor, field: Tensor, mode: str = "bilinear") -> Tensor:
    """Warp images of 8 bits.

    Args:
        images: (B, H, W, C) uint8.
        field: (B, 2, H, W) in grid units.
        mode: Interpolation between pixels, `bilinear` or `bicubic`.

    Returns:
        (B, H, W, C) uint8.
    """
    warped = warp(images.permute(0, 3, 1, 2), field, mode).round().clamp(0, 255)
    return warped.to(torch.uint8).permute(0, 2, 3, 1)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Return one field with the effect of `first` and then `second`: x ∘ first ∘ second.

    Args:
        first: (B, 2, H, W), applied first.
        second: (B, 2, H, W), applied to the result.

    Returns:
        (B, 2, H, W).
    """
    return second + warp(first, second)


def compose_all(fields: Sequence[Tensor]) -> list[Tensor]:
    """Return the compositions O_1, O_1 ∘ O_2, … of Eq. 7, one for each field."""
    composed = list(fields[:1])
    for field in fields[1:]:
        composed.append(compose(composed[-1], field))
    return composed


def resize(field: Tensor, size: tuple[int, int]) -> Tensor:
    """Up(·) of Eq. 6: interpolate a field (B, 2, h, w) to `size`. Its corners keep their values.

    In training and in exported graphs, this is two matrix products. The gradient of `F.interpolate`
    is slow, and so is its operation in a graph.
    """
    if not (field.requires_grad or torch.onnx.is_in_onnx_export()):
        return F.interpolate(field, size=size, mode="bilinear", align_corners=True)
    rows = _interpolation_weights(field.shape[-2], size[0], like=field)
    columns = _interpolation_weights(field.shape[-1], size[1], like=field)
    return rows @ field @ columns.transpose(0, 1)  # .mT cannot be exported to ONNX


def _interpolation_weights(source: int, target: int, like: Tensor) -> Tensor:
    """Return a matrix (target, source) that interpolates `source` values to `target` values.

    Each row holds the weights of the source values in one interpolated value.
    """
    steps = torch.arange(target, device=like.device, dtype=like.dtype)
    position = (steps * ((source - 1) / max(target - 1, 1)))[:, None]
    values = torch.arange(source, device=like.device, dtype=like.dtype)
    return (1 - (position - values).abs()).clamp(min=0)


class Head(nn.Module):
    """One of the K heads of Eq. 6. It computes a small field and enlarges it to the image size.

    Args:
        width: Channels of the features that come from the trunk, the layers before all heads.
        halvings: Number of convolutions of stride 2, each of which halves the size.
        displacement: Largest displacement in pixels: the limit of Tanh.
    """

    def __init__(self, width: int, halvings: int, displacement: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            layers += [nn.Conv2d(width, width, 3, 2, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.final = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.zeros_(self.final.weight)
        nn.init.zeros_(self.final.bias)  # type: ignore[arg-type]
        self.displacement = displacement

    def forward(self, trunk: Tensor, size: int) -> Tensor:
        """From features (B, width, h, w) to a field (B, 2, size, size), zero before training."""
        limit = grid_units(self.displacement, size)
        field = limit * torch.tanh(self.final(self.layers(trunk)).float())
        return resize(field, (size, size))


class DeformationEstimator(nn.Module):
    """Computes K deformation fields, coarse first: ψ(x) = Up(h(PE(x))) of Eq. 6.

    With two directions, it computes K forward fields and K backward fields: ψ'(x) of Eq. 16. All
    heads get the features of one trunk, which works at the resolution of the finest head.

    Args:
        in_channels: Channels of x.
        reductions: One number for each head, the coarse head first: image size divided by field
            size, a power of two.
        displacements: One number for each head: the largest displacement in pixels.
        width: Channels of the trunk and of the heads.
        positions: Use the positional embedding.
        directions: 1 for ψ. 2 for ψ', which has more heads for the backward fields.
    """

    def __init__(
        self,
        in_channels: int,
        reductions: Sequence[int],
        displacements: Sequence[float],
        width: int = 64,
        positions: bool = True,
        directions: int = 1,
    ) -> None:
        super().__init__()
        finest = reductions[-1]
        self.unshuffle = nn.PixelUnshuffle(finest)
        self.stem = PositionedLayers(
            CoordConv2d(in_channels * finest**2, width, positions=positions),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            CoordConv2d(width, width, positions=positions),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.residual = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.heads = nn.ModuleList()
        for _ in range(directions):
            for reduction, displacement in zip(reductions, displacements, strict=True):
                halvings = int(log2(reduction // finest))
                self.heads.append(Head(width, halvings, displacement))

    @classmethod
    def from_config(
        cls, config: ModelConfig, in_channels: int, directions: int = 1
    ) -> DeformationEstimator | None:
        """Make the estimator for the settings of a network. None if they have no heads."""
        if not config.reductions:
            return None
        return cls(
            in_channels,
            config.reductions,
            config.displacements,
            config.estimator_width,
            config.positions,
            directions,
        )

    def forward(self, x: Tensor, place: Place | None = None) -> list[Tensor]:
        """From (B, in_channels, H, W) to K fields (B, 2, H, W): Eq. 6.

        With two directions, K backward fields follow in the same list: Eq. 16.
        """
        trunk = self.stem(self.unshuffle(x), place)
        trunk = F.relu(trunk + self.residual(trunk))
        return [head(trunk, x.shape[-1]) for head in self.heads]
