"""PE(·): the positional embedding of Eq. 6 and of the decoder, as coordinate channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """Return the coordinates of every pixel centre, from -1 (first pixel) to 1 (last pixel).

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        like: Tensor that sets device and dtype.

    Returns:
        (1, 2, height, width); channel 0 = x (right), 1 = y (down).
    """
    x = torch.linspace(-1, 1, width, device=like.device)  # in 32 bit: 16 bit rounds too much
    y = torch.linspace(-1, 1, height, device=like.device)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((grid_x, grid_y))[None].to(like.dtype)


class CoordConv2d(nn.Conv2d):
    """A 3 x 3 convolution over PE(x): x with two more channels, its coordinates (CoordConv).

    Coordinates grow linearly. So, except at the border, a kernel over a coordinate has the effect
    of one weight and a bias. The parameter `position` holds one such weight for each coordinate.
    The product of these weights and the coordinates is added to the convolution of x.

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

    def forward(self, input: Tensor) -> Tensor:
        """From (B, in, H, W) to (B, out, H, W)."""
        out = super().forward(input)
        return out if self.position is None else add_positions(out, self.position)


def add_positions(x: Tensor, position: Tensor) -> Tensor:
    """Add a linear function of the coordinates to x.

    This is one matrix product in the memory layout of x. A broadcast sum has the same result, but
    in 16 bit on a CPU its gradient is thirty times slower.

    Args:
        x: (B, C, H, W).
        position: (C, 2), a weight for each channel and coordinate.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = x.shape
    grid = coordinates(height, width, like=x).flatten(2).expand(batch, -1, -1)
    weight = position.to(x.dtype).expand(batch, -1, -1)
    if x.is_contiguous():
        return torch.baddbmm(x.flatten(2), weight, grid).view(x.shape)
    channels_last = torch.baddbmm(x.permute(0, 2, 3, 1).flatten(1, 2), grid.mT, weight.mT)
    return channels_last.view(batch, height, width, channels).permute(0, 3, 1, 2)
