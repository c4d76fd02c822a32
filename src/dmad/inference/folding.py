"""Make a trained network faster: fold its batch norms into the convolutions before them."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dmad.model.coordinates import CoordConv2d

Network = TypeVar("Network", bound=nn.Module)

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def fold(model: Network) -> Network:
    """Return a copy of a network in eval mode that has the same output and fewer operations."""
    copy = deepcopy(model)
    copy.eval()
    for module in list(copy.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequential(module)
        _fold_named(module)
    copy.requires_grad_(False)
    return copy


def _fold_sequential(layers: nn.Sequential) -> None:
    """Fold each batch norm that follows a convolution."""
    for index in range(len(layers) - 1):
        conv, norm = layers[index], layers[index + 1]
        if isinstance(conv, CONVOLUTIONS) and type(norm) is nn.BatchNorm2d:
            layers[index] = _fused(conv, norm)
            layers[index + 1] = nn.Identity()


def _fold_named(block: nn.Module) -> None:
    """Fold batch norms named as in timm's residual networks: `bn1` follows `conv1`."""
    for name, conv in list(block.named_children()):
        norm_name = name.replace("conv", "bn")
        norm = getattr(block, norm_name, None)
        if isinstance(conv, CONVOLUTIONS) and type(norm) is nn.BatchNorm2d:
            setattr(block, name, _fused(conv, norm))
            setattr(block, norm_name, nn.Identity())


def _fused(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> nn.Module:
    """One convolution that does the work of both."""
    fused = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
    if isinstance(fused, CoordConv2d) and fused.position is not None:
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        fused.position = nn.Parameter(fused.position * scale[:, None])
    return fused
