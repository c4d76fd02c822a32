"""A folded network made ready for one CPU: weights in oneDNN's own order and precision, once.

Autocast converts every weight anew for each frame; here that is done when the first one comes.
Convolution, its positions and its ReLU are then one operation.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from dmad.model.coordinates import coordinates
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM

Network = TypeVar("Network", bound=PDM | PPDM)

Conv = (nn.Conv2d, nn.ConvTranspose2d)

FEW = 4  # channels at most of an image or a field


def can_pack(device: torch.device) -> bool:
    """Whether oneDNN is there to pack for."""
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def pack(model: Network, dtype: torch.dtype) -> Network:
    """Replace the convolutions of a folded model, in place; it then runs on the CPU alone.

    Args:
        model: As `fold` returns it.
        dtype: Of weights and features; fields, warps, distances and scores stay float32.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if getattr(child, "upscale_factor", getattr(child, "downscale_factor", 0)) == 1:
                setattr(parent, name, nn.Identity())  # it would copy
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Conv):
                setattr(parent, name, Packed(child, _takes_relu(parent, name), dtype))
    return model


def _takes_relu(parent: nn.Module, name: str) -> bool:
    """Whether a ReLU follows a layer of a Sequential, which is then dropped from it."""
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
    """A convolution with its positions and the ReLU behind it, as one operation of oneDNN.

    Args:
        conv: The convolution, or a transposed one.
        relu: Whether a ReLU follows.
        dtype: Of weights and result; a result of few channels, a field or an image, is float32.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, relu: bool, dtype: torch.dtype):
        super().__init__()
        ops, turned = torch.ops.mkldnn, isinstance(conv, nn.ConvTranspose2d)
        self.dtype, self.few = dtype, conv.out_channels <= FEW
        self.bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        padding = (conv.padding, conv.output_padding) if turned else (conv.padding,)
        shape = (*padding, conv.stride, conv.dilation, conv.groups)
        self.weight = conv.weight.detach().to(dtype, memory_format=torch.channels_last)
        self.reorder = getattr(ops, f"_reorder_convolution{'_transpose' * turned}_weight")
        self.shape, self._size = shape, torch.Size()
        self._ordered = self.weight  # as is best for inputs of the size last seen
        self.run = getattr(ops, f"_convolution{'_transpose' * turned}_pointwise")
        self.options = (*shape, "relu" if relu else "none", [], "")
        self.added_options = (*shape, "add", 1.0, "relu" if relu else "none", [], "")
        self.position = getattr(conv, "position", None)
        self._added = torch.empty(0)  # the positions' share at the last size seen

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, h, w)."""
        x = x.to(self.dtype, memory_format=torch.channels_last)
        if self.position is None:
            out: Tensor = self.run(x, self._weight(x), self.bias, *self.options)
            return out.float().contiguous() if self.few else out
        added = self._positions(x, self.position)
        out = self.run.binary(x, added, self._weight(x), self.bias, *self.added_options)
        return out

    def _weight(self, x: Tensor) -> Tensor:
        """The weight in the order that oneDNN wants for this size; any other it turns each time."""
        if self._size != x.shape[2:]:
            self._ordered = self.reorder(self.weight, *self.shape, tuple(x.shape))
            self._size = x.shape[2:]
        return self._ordered

    def _positions(self, x: Tensor, position: Tensor) -> Tensor:
        if self._added.shape[:1] + self._added.shape[2:] != x.shape[:1] + x.shape[2:]:
            grid = coordinates(x.shape[2], x.shape[3], like=position)
            added = torch.einsum("cp,bphw->bchw", position, grid).to(self.dtype)
            added = added.expand(len(x), -1, -1, -1)
            self._added = added.contiguous(memory_format=torch.channels_last)
        return self._added
