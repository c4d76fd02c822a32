"""Make a trained network quick to run: batch norms folded into convolutions."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dmad.model.coordinates import CoordConv2d
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM

Network = TypeVar("Network", bound=PDM | PPDM)

Conv = (nn.Conv2d, nn.ConvTranspose2d)


def fold(model: Network) -> Network:
    """A copy of the model in eval mode that computes the same in fewer operations."""
    copy = deepcopy(model)
    copy.eval()
    for module in list(copy.modules()):
        if isinstance(module, nn.Sequential):
            _fold_norms(module)
        _fold_named(module)
    copy.requires_grad_(False)
    return copy


def _fold_norms(layers: nn.Sequential) -> None:
    """Merge each batch norm into the convolution before it, and drop it."""
    for index in range(len(layers) - 1):
        conv, norm = layers[index], layers[index + 1]
        if isinstance(conv, Conv) and type(norm) is nn.BatchNorm2d:
            layers[index] = _merge(conv, norm)
            layers[index + 1] = nn.Identity()


def _fold_named(block: nn.Module) -> None:
    """The same for what timm's residual networks call `conv1` and `bn1`, and so on."""
    for name, conv in list(block.named_children()):
        norm = getattr(block, name.replace("conv", "bn"), None)
        if isinstance(conv, Conv) and type(norm) is nn.BatchNorm2d:
            setattr(block, name, _merge(conv, norm))
            setattr(block, name.replace("conv", "bn"), nn.Identity())


def _merge(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> nn.Module:
    merged = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
    if isinstance(merged, CoordConv2d) and merged.position is not None:
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        merged.position = nn.Parameter(merged.position * scale[:, None])
    return merged
