"""Make a trained network faster: fold its batch norms into the convolutions before them."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dmad.model.coordinates import CoordConv2d

Network = TypeVar("Network", bound=nn.Module)

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def fold(model: Network, in_place: bool = False) -> Network:
    """Return a network in eval mode that has the same output and fewer operations.

    Args:
        model: The network.
        in_place: Change the network itself, which needs less memory. False: change a copy.
    """
    folded = model if in_place else deepcopy(model)
    folded.eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequential(module)
        _fold_named(module)
        _fold_before_activation(module)
    folded.requires_grad_(False)
    return folded


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


def _fold_before_activation(block: nn.Module) -> None:
    """Fold the batch norms of timm's EfficientNets into the convolution before each of them.

    These batch norms contain an activation, which stays. Folded convolutions with `SAME` padding
    are replaced too: see `_with_padding_layer`.
    """
    children = list(block.named_children())
    for (name, conv), (norm_name, norm) in pairwise(children):
        activation = getattr(norm, "act", None)  # only timm's norms have one
        if not isinstance(conv, nn.Conv2d) or activation is None:
            continue
        assert isinstance(norm, nn.BatchNorm2d)
        setattr(block, norm_name, activation)
        setattr(block, name, _with_padding_layer(_fused(conv, norm)))


def _with_padding_layer(conv: nn.Module) -> nn.Module:
    """Return a plain convolution after a padding layer, if `conv` has timm's `SAME` padding.

    Other convolutions are returned unchanged. timm computes this padding from the input size in
    each call. The padding layer has a fixed padding, which is the same for all inputs of even
    height and width. Inputs always have such sizes here.
    """
    if type(conv).__name__ != "Conv2dSame":  # its class is not imported, because timm is slow
        return conv
    assert isinstance(conv, nn.Conv2d)
    missing = [size - stride for size, stride in zip(conv.kernel_size, conv.stride, strict=True)]
    (top, left), (bottom, right) = ([n // 2 for n in missing], [n - n // 2 for n in missing])
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        groups=conv.groups,
    )
    plain.load_state_dict(conv.state_dict())
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), plain.eval())


def _fused(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> nn.Module:
    """Return one convolution with the effect of a convolution and the batch norm after it."""
    fused = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
    if isinstance(fused, CoordConv2d) and fused.position is not None:
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        fused.position = nn.Parameter(fused.position * scale[:, None])
    return fused
