"""Make a folded network faster on a CPU with oneDNN, the library that PyTorch uses there.

The weights are converted to the number type and the order in memory that oneDNN needs. Autocast
would convert every weight again for each frame. Here each weight is converted only once for all
frames of the same size. A convolution, its positional embedding and the ReLU after it become one
operation.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from dmad.inference.folding import CONVOLUTIONS
from dmad.model.coordinates import coordinates

Network = TypeVar("Network", bound=nn.Module)

FEW_CHANNELS = 4  # results with at most so many channels (images and fields) stay float32


def can_pack(device: torch.device) -> bool:
    """True if a network on this device can be packed: the device is a CPU with oneDNN."""
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def pack(model: Network, dtype: torch.dtype) -> Network:
    """Replace the convolutions of a folded network, in place. It then runs only on a CPU.

    Args:
        model: The network, as `fold` returns it.
        dtype: Type of weights and features. Fields, warps, distances and scores stay float32.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if _shuffles_nothing(child):
                setattr(parent, name, nn.Identity())  # a shuffle by 1 would only copy
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, CONVOLUTIONS):
                setattr(parent, name, Packed(child, _remove_relu_after(parent, name), dtype))
    return model


def _shuffles_nothing(layer: nn.Module) -> bool:
    """True for a pixel shuffle or unshuffle by a factor of 1, which does not change its input."""
    if isinstance(layer, nn.PixelShuffle):
        return layer.upscale_factor == 1
    return isinstance(layer, nn.PixelUnshuffle) and layer.downscale_factor == 1


def _remove_relu_after(parent: nn.Module, name: str) -> bool:
    """Remove the ReLU that follows a layer of a Sequential. Return True if there was a ReLU."""
    if not isinstance(parent, nn.Sequential):
        return False
    for after in range(int(name) + 1, len(parent)):
        if isinstance(parent[after], nn.ReLU):
            parent[after] = nn.Identity()
            return True
        if not isinstance(parent[after], nn.Identity):
            return False
    return False


class Packed(nn.Module):
    """A convolution, its positional embedding and the ReLU after it, as one operation of oneDNN.

    Args:
        conv: A convolution or a transposed convolution.
        relu: True if a ReLU follows.
        dtype: Type of weights and result. But a result with at most `FEW_CHANNELS` channels (a
            field or an image) is float32.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, relu: bool, dtype: torch.dtype):
        super().__init__()
        operations = torch.ops.mkldnn
        self.dtype, self.few_channels = dtype, conv.out_channels <= FEW_CHANNELS
        self.bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        self.weight = conv.weight.detach().to(dtype, memory_format=torch.channels_last)
        self.shape: tuple[object, ...] = (conv.stride, conv.dilation, conv.groups)
        if isinstance(conv, nn.ConvTranspose2d):
            self.shape = (conv.padding, conv.output_padding, *self.shape)
            self.reorder = operations._reorder_convolution_transpose_weight
            self.run = operations._convolution_transpose_pointwise
        else:
            self.shape = (conv.padding, *self.shape)
            self.reorder = operations._reorder_convolution_weight
            self.run = operations._convolution_pointwise
        activation = "relu" if relu else "none"
        self.options: tuple[object, ...] = (*self.shape, activation, [], "")
        self.options_with_sum: tuple[object, ...] = (*self.shape, "add", 1.0, activation, [], "")
        self.position = getattr(conv, "position", None)
        self._size = torch.Size()  # of the last input
        self._ordered = self.weight  # in the best order for inputs of this size
        self._positions = torch.empty(0)  # what the positions add for inputs of this size

    def forward(self, x: Tensor) -> Tensor:
        """From (B, in, H, W) to (B, out, h, w)."""
        x = x.to(self.dtype, memory_format=torch.channels_last)
        weight = self._ordered_weight(x)
        if self.position is None:
            out: Tensor = self.run(x, weight, self.bias, *self.options)
            return out.float().contiguous() if self.few_channels else out
        added = self._added_positions(x, self.position)
        out = self.run.binary(x, added, weight, self.bias, *self.options_with_sum)
        return out

    def _ordered_weight(self, x: Tensor) -> Tensor:
        """Return the weight in the order in memory that oneDNN needs for inputs of this size."""
        if self._size != x.shape[2:]:
            self._ordered = self.reorder(self.weight, *self.shape, tuple(x.shape))
            self._size = x.shape[2:]
        return self._ordered

    def _added_positions(self, x: Tensor, position: Tensor) -> Tensor:
        """Return the values that the positional embedding adds to the convolution, (B, out, H, W).

        Args:
            x: The input, whose shape sets B, H and W.
            position: (out, 2), a weight for each output channel and coordinate.
        """
        batch, _, height, width = x.shape
        known = self._positions.shape
        if known[:1] + known[2:] != (batch, height, width):
            grid = coordinates(height, width, like=position)
            added = torch.einsum("cp,bphw->bchw", position, grid).to(self.dtype)
            added = added.expand(batch, -1, -1, -1)
            self._positions = added.contiguous(memory_format=torch.channels_last)
        return self._positions
