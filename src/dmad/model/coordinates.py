"""PE(·): the positional embedding of Eq. 6 and of the decoder, as coordinate channels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Place(NamedTuple):
    """Where the square crops of a batch are in their whole square frames."""

    corner: Tensor  # (B, 2) pixels: x and y of the first pixel of each crop
    crop: int  # height and width of a crop in pixels
    frame: int  # height and width of a whole frame in pixels


def coordinates(height: int, width: int, like: Tensor, place: Place | None = None) -> Tensor:
    """Return the coordinates of every pixel centre in the whole frame.

    They run from -1 (first pixel of the frame) to 1 (last pixel).

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        like: Tensor that sets device and dtype.
        place: The crops that the grid covers. None: it covers whole frames.

    Returns:
        (1, 2, height, width) without a place, else (B, 2, height, width); channel 0 = x (right), 1
        = y (down).
    """
    x = torch.linspace(-1, 1, width, device=like.device)  # in 32 bit: 16 bit rounds too much
    y = torch.linspace(-1, 1, height, device=like.device)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    grid = torch.stack((grid_x, grid_y))[None]
    if place is not None:
        grid = _in_whole_frame(grid, place)
    return grid.to(like.dtype)


def _in_whole_frame(grid: Tensor, place: Place) -> Tensor:
    """Convert coordinates in a crop, (1, 2, h, w), to coordinates in the frame, (B, 2, h, w)."""
    cells = grid.new_tensor([grid.shape[-1], grid.shape[-2]])  # cells of the crop along x and y
    steps = cells * place.frame / place.crop - 1  # steps from the first to the last cell of a frame
    first = -1 + 2 * (place.corner * cells / place.crop) / steps
    extent = (cells - 1) / steps
    return first[:, :, None, None] + (grid + 1) * extent[:, None, None]


def crop(images: Tensor, place: Place) -> Tensor:
    """Cut the crop out of each whole frame, at its place: (B, C, H, W) to (B, C, crop, crop)."""
    steps = torch.arange(place.crop, device=images.device)
    columns, rows = (place.corner[:, :, None] + steps).unbind(1)
    sample = torch.arange(len(images), device=images.device)[:, None, None]
    return images[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class CoordConv2d(nn.Conv2d):
    """A 3 x 3 convolution over PE(x), which is x with its coordinates as two more channels.

    The coordinates need no kernel of 3 x 3. They grow linearly. So, except at the border, a kernel
    over a coordinate has the same effect as one weight and a bias. The parameter `position` (out,
    2) holds this weight for each output channel and coordinate. The coordinates times these weights
    are added to the convolution of x. This idea is called CoordConv.

    Args:
        in_channels: Channels of x, without the coordinates.
        out_channels: Channels of the result, which has the height and width of x.
        positions: False: a plain convolution without coordinates.
    """

    def __init__(self, in_channels: int, out_channels: int, positions: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.position: nn.Parameter | None = None
        if positions:
            bound = (9 * (in_channels + 2)) ** -0.5
            self.position = nn.Parameter(torch.empty(out_channels, 2).uniform_(-bound, bound))

    def forward(self, input: Tensor, place: Place | None = None) -> Tensor:
        """From (B, in, H, W) to (B, out, H, W)."""
        out = super().forward(input)
        return out if self.position is None else add_positions(out, self.position, place)


class PositionedLayers(nn.Sequential):
    """Layers in sequence. Layers of the class `CoordConv2d` also get the place of the crops."""

    def forward(self, input: Tensor, place: Place | None = None) -> Tensor:
        """From (B, in, H, W) to (B, out, H, W)."""
        for layer in self:
            input = layer(input, place) if isinstance(layer, CoordConv2d) else layer(input)
        return input


def add_positions(x: Tensor, position: Tensor, place: Place | None = None) -> Tensor:
    """Add a linear function of the coordinates to x.

    This is one matrix product in the memory layout of x. A broadcast sum has the same result, but
    in 16 bit on a CPU its gradient is thirty times slower.

    Args:
        x: (B, C, H, W).
        position: (C, 2), a weight for each channel and coordinate.
        place: The crops that x was computed from. None: x was computed from whole frames.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = x.shape
    grid = coordinates(height, width, x, place).flatten(2).expand(batch, -1, -1)
    weight = position.to(x.dtype).expand(batch, -1, -1)
    if x.is_contiguous():
        return torch.baddbmm(x.flatten(2), weight, grid).view(x.shape)
    channels_last = torch.baddbmm(x.permute(0, 2, 3, 1).flatten(1, 2), grid.mT, weight.mT)
    return channels_last.view(batch, height, width, channels).permute(0, 3, 1, 2)
