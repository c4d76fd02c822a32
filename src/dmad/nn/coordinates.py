"""PE(·): the positional embedding of Eq. 6 and of the decoder, as coordinate channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """Coordinates of every pixel centre, in [-1, 1] with corners at the ends.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        like: Gives device and dtype.

    Returns:
        (1, 2, height, width); channel 0 = x (right), 1 = y (down).
    """
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((grid_x, grid_y))[None]


class CoordConv2d(nn.Conv2d):
    """A convolution over PE(x): x with its two coordinate channels appended (CoordConv).

    Coordinates are linear, so away from the border any kernel over them equals one weight a
    coordinate and a bias. Their share is therefore kept apart, as `position`: it does not depend
    on x, costs nothing in training, and is folded into a constant for inference.

    Args:
        in_channels: Channels of x, without the coordinates.
        out_channels: Channels of the result; the height and width of x are kept.
        positions: False leaves the coordinates out: a plain convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, positions: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.position: nn.Parameter | None = None
        if positions:
            bound = (9 * (in_channels + 2)) ** -0.5
            self.position = nn.Parameter(torch.empty(out_channels, 2).uniform_(-bound, bound))
        self.folded: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, in, H, W) with its coordinates to (B, out, H, W)."""
        out = super().forward(input)
        if self.folded is not None:
            return out + self.folded
        if self.position is None:
            return out
        return out + self._share(self.position, input.shape[-2], input.shape[-1]).to(out.dtype)

    def fold(self, height: int, width: int) -> None:
        """Keep the coordinates' share for inputs of one size; for inference only."""
        if self.position is not None:
            self.folded = self._share(self.position.detach(), height, width)

    def _share(self, position: Tensor, height: int, width: int) -> Tensor:
        return torch.einsum("ni,bihw->bnhw", position, coordinates(height, width, like=position))
