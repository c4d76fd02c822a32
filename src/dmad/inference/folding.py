"""Make a trained network quick to run: batch norms folded into convolutions."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dmad.nn.coordinates import CoordConv2d
from dmad.nn.pdm import PDM


def fold(model: PDM) -> PDM:
    """A copy of the model in eval mode that computes the same in fewer operations."""
    copy = deepcopy(model).eval()
    for module in list(copy.modules()):
        if isinstance(module, nn.Sequential):
            _fold_norms(module)
    return copy.requires_grad_(False)


def _fold_norms(layers: nn.Sequential) -> None:
    """Merge each batch norm into the convolution before it, and drop it."""
    for index in range(len(layers) - 1):
        conv, norm = layers[index], layers[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index] = _merge(conv, norm)
            layers[index + 1] = nn.Identity()


def _merge(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    merged = fuse_conv_bn_eval(conv, norm)
    if isinstance(merged, CoordConv2d) and merged.position is not None:
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        merged.position = nn.Parameter(merged.position * scale[:, None])
    return merged
