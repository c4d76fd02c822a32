"""The encoder f, the decoder g with compressed skip connections, and the foreground mask f_m."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.model.coordinates import CoordConv2d, Place, PositionedLayers


def conv_pair(in_channels: int, out_channels: int, positions: bool = False) -> PositionedLayers:
    """Return two 3 x 3 convolutions, each with batch norm and ReLU.

    With `positions`, each convolution also gets the coordinates of the pixels.
    """
    return PositionedLayers(
        CoordConv2d(in_channels, out_channels, positions=positions),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        CoordConv2d(out_channels, out_channels, positions=positions),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Encoder(nn.Module):
    """The encoder f. It returns a feature map for each level. The last one is the embedding z_e.

    Args:
        in_channels: Channels of the input.
        widths: Channels of each level. Every level has half the size of the level before.
        stem: Factor by which height and width are reduced before the first level: pixels become
            channels.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], stem: int = 1) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(stem)
        sources = (in_channels * stem**2, *widths[:-1])
        self.levels = nn.ModuleList(
            conv_pair(source, width) for source, width in zip(sources, widths, strict=True)
        )
        last = self.levels[-1]
        assert isinstance(last, nn.Sequential)
        self.levels[-1] = last[:-2]  # no batch norm and ReLU: the embedding can be negative

    def forward(self, x: Tensor) -> list[Tensor]:
        """From (B, in, H, W) to features (B, widths[i], H / stem / 2^i, W / stem / 2^i)."""
        features = [self.levels[0](self.unshuffle(x))]
        for level in self.levels[1:]:
            features.append(level(F.max_pool2d(features[-1], 2)))
        return features


class CompressedSkip(nn.Module):
    """A skip connection with few channels (Sec. 3.2). It passes no gradient to the features."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """From (B, in, h, w) to (B, out, h, w)."""
        out: Tensor = self.conv(features.detach())
        return out


class NoSkip(nn.Module):
    """A skip connection that passes no channels."""

    def forward(self, features: Tensor) -> Tensor:
        """From (B, C, h, w) to (B, 0, h, w)."""
        return features[:, :0]


def skip_modules(kind: str, widths: Sequence[int], stem: int, channels: int) -> nn.ModuleList:
    """Return a skip connection for each encoder level.

    A skip connection is the module that passes the features of its level to the decoder.

    Args:
        kind: "compressed": few channels of the levels at a quarter of the image size or less (Sec.
            3.2). A feature of these levels covers at least 4 x 4 pixels. "full": all channels of
            all levels except the last, which is the embedding. "none": no channels.
        widths: Channels of each encoder level.
        stem: Factor by which height and width are reduced before the first level.
        channels: Channels of a compressed skip connection.
    """
    if kind == "full":
        return nn.ModuleList([*(nn.Identity() for _ in widths[:-1]), NoSkip()])
    if kind == "none":
        return nn.ModuleList(NoSkip() for _ in widths)
    return nn.ModuleList(
        CompressedSkip(width, channels) if stem * 2**level >= 4 else NoSkip()
        for level, width in enumerate(widths)
    )


def skip_channels(skip: nn.Module, width: int) -> int:
    """Return how many channels a skip connection passes. `width`: channels of its level."""
    if isinstance(skip, CompressedSkip):
        return skip.conv.out_channels
    return 0 if isinstance(skip, NoSkip) else width


def image_layers(
    width: int, channels: int, stem: int, upsampling: str = "shuffle"
) -> nn.Sequential:
    """Return the layers that compute the image, or the mask, from features of the finest level.

    Args:
        width: Channels of the finest level.
        channels: Channels of the image or mask.
        stem: Height of the image divided by height of the features. The same for the width.
        upsampling: "shuffle": channels become blocks of pixels, and a convolution smooths the
            borders between the blocks. "resize": features are interpolated bilinearly, so that all
            pixels of a block are computed in the same way.
    """
    if upsampling == "resize":
        few = max(width // 2, 4)
        return nn.Sequential(
            nn.Conv2d(width, few, 3, padding=1),
            nn.Upsample(scale_factor=stem, mode="bilinear", align_corners=False),
            nn.LeakyReLU(0.1),
            nn.Conv2d(few, channels, 3, padding=1),
        )
    few = max(width // stem**2, 4)
    return nn.Sequential(
        alike_in_blocks(nn.Conv2d(width, few * stem**2, 3, padding=1), stem),
        nn.PixelShuffle(stem),
        nn.LeakyReLU(0.1),
        nn.Conv2d(few, channels, 3, padding=1),
    )


def alike_in_blocks(conv: nn.Conv2d, stem: int) -> nn.Conv2d:
    """Give all pixels of a block the same weights before training.

    Without this, the pixels of a block differ from each other, and stripes remain in the image
    after training.

    Args:
        conv: A convolution whose result becomes blocks of `stem` x `stem` pixels by
            `nn.PixelShuffle`. Its weights are changed.
        stem: Height and width of a block.
    """
    for weights in (conv.weight, conv.bias):
        assert weights is not None
        weights.data = weights.data[:: stem**2].repeat_interleave(stem**2, 0)
    return conv


class Decoder(nn.Module):
    """The decoder g(PE(·)).

    It computes the reference image from the quantised embedding and from the features that pass
    through the skip connections. It can compute the mask as well.

    Args:
        out_channels: Channels of the image, plus 1 if the decoder also computes the mask.
        widths: Channels of each encoder level.
        skips: A skip connection for each level, as `skip_modules` returns them.
        stem: Factor by which height and width are reduced before the first level.
        positions: Use the positional embedding.
        upsampling: "shuffle" or "resize"; see `image_layers`.
    """

    def __init__(
        self,
        out_channels: int,
        widths: Sequence[int],
        skips: nn.ModuleList,
        stem: int = 1,
        positions: bool = True,
        upsampling: str = "shuffle",
    ) -> None:
        super().__init__()
        self.skips = skips
        self.levels = nn.ModuleList(
            conv_pair(width + skip_channels(skip, width), width, positions)
            for skip, width in zip(skips, widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 3, 2, 1, output_padding=1)
            for fine, coarse in pairwise(widths)
        )
        self.final = image_layers(widths[0], out_channels, stem, upsampling)

    def forward(self, z: Tensor, features: Sequence[Tensor], place: Place | None = None) -> Tensor:
        """From z (B, D, H', W') and the encoder's features to (B, out, H, W), unbounded."""
        for level in range(len(features) - 1, -1, -1):
            skip = self.skips[level](features[level])
            z = self.levels[level](torch.cat((z, skip), 1) if skip.shape[1] else z, place)
            if level:
                z = self.up[level - 1](z)
        out: Tensor = self.final(z)
        return out


class EncoderMask(nn.Module):
    """The mask f_m from the two finest encoder levels, as in the released code for Ped2 and Avenue.

    These levels contain every detail of the input. So the mask can show things that no memory item
    contains.

    Args:
        widths: Channels of each encoder level.
        channels: Channels of the mask.
        stem: Factor by which height and width are reduced before the first level.
        upsampling: "shuffle" or "resize"; see `image_layers`.
    """

    def __init__(
        self, widths: Sequence[int], channels: int, stem: int = 1, upsampling: str = "shuffle"
    ) -> None:
        super().__init__()
        fine, coarse = widths[:2]
        self.layers = nn.Sequential(
            nn.Conv2d(fine + coarse, fine, 3, padding=1), nn.BatchNorm2d(fine), nn.ReLU()
        )
        if upsampling == "resize":
            self.layers.extend(image_layers(fine, channels, stem, upsampling))
        else:
            self.layers.append(nn.Conv2d(fine, channels * stem**2, 3, padding=1))
            self.layers.append(nn.PixelShuffle(stem))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """From the features of all levels to the logits of the mask, (B, channels, H, W)."""
        coarse = F.interpolate(features[1], scale_factor=2.0, mode="bilinear", align_corners=False)
        out: Tensor = self.layers(torch.cat((features[0], coarse), 1))
        return out
