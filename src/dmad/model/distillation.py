"""Reverse distillation: a frozen teacher f, a bottleneck, and a student g that mirrors the teacher.

The student has to restore the teacher's features from what the bottleneck lets through; where it
has learnt from the normal alone, it fails on what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.errors import require

STRIDES = [4, 8, 16]  # of the three stages that are restored


class Teacher(nn.Module):
    """f: stages 1 to 3 of a network of timm, frozen and always in eval mode.

    Its weights, random until they are loaded, get no gradient; the image may get one through them.

    Args:
        name: As timm knows it, such as `wide_resnet50_2` or `resnet18`.

    Raises:
        DmadError: timm does not know the name, or the stages do not lie at strides 4, 8 and 16.
    """

    network: Any
    scale: Tensor
    shift: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        import timm  # a second, which video does not need

        require(timm.is_model(name), f"timm knows no network {name!r}; give one, such as resnet18")
        self.network = timm.create_model(name, features_only=True, out_indices=(1, 2, 3))
        info = self.network.feature_info
        require(
            info.reduction() == STRIDES,
            f"the stages of {name} lie at strides {info.reduction()}; give a teacher with {STRIDES}"
            ", such as resnet18",
        )
        self.channels: tuple[int, ...] = tuple(info.channels())
        cfg = self.network.pretrained_cfg
        mean, std = (torch.tensor(cfg[key])[:, None, None] for key in ("mean", "std"))
        self.register_buffer("scale", 0.5 / std, persistent=False)  # from [-1, 1]
        self.register_buffer("shift", (0.5 - mean) / std, persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Teacher:
        """Stay in eval mode."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) in [-1, 1] to features (B, C_i, H / 2^i, W / 2^i), i = 2, 3, 4."""
        features: list[Tensor] = self.network(torch.addcmul(self.shift, x, self.scale))
        return features

    def blocks(self) -> list[tuple[int, int]]:
        """Of each stage: residual blocks, and channels inside a bottleneck block (0 = basic)."""
        found = []
        for index in (1, 2, 3):
            layer = getattr(self.network, f"layer{index}", None) or [None, None]
            inner = layer[0].conv2.out_channels if hasattr(layer[0], "conv3") else 0
            found.append((len(layer), inner))
        return found


class Residual(nn.Module):
    """A residual block, basic or bottleneck, that may halve or double the size.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        inner: Channels inside a bottleneck; 0 makes a basic block.
        scale: Size out over size in: 0.5, 1 or 2 (a transposed convolution).
    """

    def __init__(self, in_channels: int, out_channels: int, inner: int = 0, scale: float = 1):
        super().__init__()
        if inner:
            steps = [
                (resized(in_channels, inner, 1, 1), inner),
                (resized(inner, inner, 3, scale), inner),
                (resized(inner, out_channels, 1, 1), out_channels),
            ]
        else:
            steps = [
                (resized(in_channels, out_channels, 3, scale), out_channels),
                (resized(out_channels, out_channels, 3, 1), out_channels),
            ]
        layers = [m for conv, width in steps for m in (conv, nn.BatchNorm2d(width), nn.ReLU())]
        self.path = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Sequential()
        if scale != 1 or in_channels != out_channels:
            conv = resized(in_channels, out_channels, 1, scale)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, scale h, scale w)."""
        return F.relu(self.path(x) + self.shortcut(x))


def resized(in_channels: int, out_channels: int, kernel: int, scale: float) -> nn.Module:
    """A convolution without bias that keeps, halves or doubles the size, for ReLU behind it."""
    conv: nn.Conv2d | nn.ConvTranspose2d
    if scale == 2:
        conv = nn.ConvTranspose2d(in_channels, out_channels, 2, 2, bias=False)
    else:
        conv = nn.Conv2d(in_channels, out_channels, kernel, int(1 / scale), kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def stage(
    in_channels: int, out_channels: int, blocks: int, inner: int, scale: float
) -> nn.Sequential:
    """Residual blocks, of which the first changes size and channels."""
    rest = [Residual(out_channels, out_channels, inner) for _ in range(blocks - 1)]
    return nn.Sequential(Residual(in_channels, out_channels, inner, scale), *rest)


def squeeze(in_channels: int, out_channels: int, halvings: int) -> nn.Sequential:
    """Convolutions with batch norm and ReLU, of stride 2 for each halving; one where there is none.

    Half the channels of the next, so that they double from one to the next.
    """
    layers: list[nn.Module] = []
    for left in range(max(halvings, 1) - 1, -1, -1):
        width = out_channels // 2**left
        layers += [resized(in_channels, width, 3, 0.5 if halvings else 1), nn.BatchNorm2d(width)]
        layers, in_channels = [*layers, nn.ReLU()], width
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """All stages at the size of the last, mixed, and halved by one residual stage.

    Behind a memory, the stages come as compressed skips (Sec. 3.2): a quarter of their channels,
    without gradient to them. Without one, all pass in full, as in reverse distillation.

    Args:
        channels: Of the teacher's stages.
        blocks: Residual blocks.
        inner: As `Residual` takes it, for the last stage.
        compressed: Whether stages pass as compressed skips.
    """

    def __init__(self, channels: Sequence[int], blocks: int, inner: int, compressed: bool) -> None:
        super().__init__()
        last, self.compressed = channels[-1], compressed
        passing = channels if compressed else channels[:-1]
        widths = [width // 4 if compressed else last for width in passing]
        self.skips = nn.ModuleList(
            squeeze(width, out, int(log2(STRIDES[-1] // stride)))
            for width, out, stride in zip(passing, widths, STRIDES, strict=False)
        )
        self.embed = stage(sum(widths) + last, 2 * last, blocks, 2 * inner, 0.5)

    def forward(self, features: Sequence[Tensor], z: Tensor) -> Tensor:
        """Teacher's stages and z (B, C_3, h, w), quantised or stage 3, to (B, 2 C_3, h/2, w/2)."""
        kept = [feature.detach() if self.compressed else feature for feature in features]
        parts = [skip(part) for skip, part in zip(self.skips, kept, strict=False)]
        embedding: Tensor = self.embed(torch.cat((*parts, z.to(features[-1].dtype)), 1))
        return embedding


class Student(nn.Module):
    """g: the teacher's stages in reverse, each doubling the size by transposed convolutions.

    Args:
        channels: Of the teacher's stages.
        blocks: As `Teacher.blocks` gives them.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        sources = (*channels[1:], 2 * channels[-1])
        self.stages = nn.ModuleList(
            stage(source, width, count, inner, 2)
            for source, width, (count, inner) in zip(sources, channels, blocks, strict=True)
        )

    def forward(self, embedding: Tensor) -> list[Tensor]:
        """(B, 2 C_3, h, w) to the features of stages 1 to 3, as the teacher gives them."""
        restored: list[Tensor] = []
        for level in reversed(list(self.stages)):
            embedding = level(embedding)
            restored.insert(0, embedding)
        return restored
