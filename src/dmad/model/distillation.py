"""Reverse distillation: a frozen teacher f, a bottleneck, and a student g.

The student has the teacher's stages in reverse order. It restores the teacher's features from the
output of the bottleneck. The student learns this only from normal images. So its features differ
from the features of the teacher at the places where an image is abnormal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from math import log2
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.errors import DmadError, one_line, require

GIVEN = "given:"  # start of the name of a teacher that is given in Python

SMALLEST_SPREAD = 1e-3  # smallest spread of a channel, because a channel can be constant

STRIDES = [4, 8, 16]  # image size divided by feature size, for each of the three stages


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that computes three stages of features, and how images are scaled for it."""

    network: Any  # from images (B, 3, H, W) to features (B, C_i, H / s, W / s), s = 4, 8, 16
    channels: tuple[int, ...]  # C_i
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)  # of each colour; subtracted from images in [0, 1]
    std: tuple[float, ...] = (0.5, 0.5, 0.5)  # of each colour; the result is divided by it


@dataclass(frozen=True)
class Blocks:
    """Number and kind of the residual blocks in a stage."""

    count: int
    inner: int  # channels inside a bottleneck block; 0 for basic blocks


class Teacher(nn.Module):
    """The teacher f: three stages of a pretrained network. It is frozen and always in eval mode.

    A network of timm has random weights until other weights are loaded. Gradients go to the image,
    but not to the weights.

    Args:
        name: Name of a network of timm, such as `wide_resnet50_2` or `resnet18`, or of an entry
            point in the group `dmad.teachers`.
        network: A network to use instead of the named one. From images (B, 3, H, W) in [-1, 1], it
            computes three feature maps (B, C_i, H / s, W / s), s = 4, 8, 16.
        even_channels: Divide each channel by its spread, which `measure_spreads` computes.

    Raises:
        DmadError: No network has this name, or the stages do not have strides 4, 8 and 16.
    """

    network: Any
    scale: Tensor
    shift: Tensor

    def __init__(
        self, name: str, network: nn.Module | None = None, even_channels: bool = False
    ) -> None:
        super().__init__()
        network = network or registered_teacher(name)
        self.of_timm = network is None
        if network is None:
            found = network_of_timm(name)
        else:
            found = FeatureNetwork(network, channels_of(network, name))
        self.network, self.channels = found.network, found.channels
        mean, std = (torch.tensor(values)[:, None, None] for values in (found.mean, found.std))
        self.register_buffer("scale", 0.5 / std, persistent=False)  # for images in [-1, 1]
        self.register_buffer("shift", (0.5 - mean) / std, persistent=False)
        self.spreads = nn.ParameterList(
            torch.ones(count, 1, 1) for count in self.channels if even_channels
        )
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def measure_spreads(self, x: Tensor) -> None:
        """Set the spread of each channel to its standard deviation over images (B, 3, H, W).

        Without `even_channels`, this does nothing.
        """
        spreads = list(self.spreads)
        if not spreads:
            return
        self.spreads = nn.ParameterList()
        for stage in self(x):
            spread = stage.std((0, 2, 3))[:, None, None].clamp(min=SMALLEST_SPREAD)
            self.spreads.append(nn.Parameter(spread, requires_grad=False))

    def train(self, mode: bool = True) -> Teacher:
        """Return the teacher. It stays in eval mode for every value of `mode`."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """From images (B, 3, H, W) in [-1, 1] to features (B, C_i, H / s, W / s), s = 4, 8, 16."""
        features: list[Tensor] = self.network(torch.addcmul(self.shift, x, self.scale))
        if not self.spreads:
            return features
        return [stage / spread for stage, spread in zip(features, self.spreads, strict=True)]

    def blocks(self) -> list[Blocks]:
        """Return number and kind of the residual blocks in each stage.

        The student is built from such blocks. For a teacher that is not a ResNet, the result is two
        basic blocks for each stage.
        """
        stages = []
        for index in (1, 2, 3):
            layer = getattr(self.network, f"layer{index}", None)
            if not layer:
                stages.append(Blocks(count=2, inner=0))
                continue
            is_bottleneck = hasattr(layer[0], "conv3")
            inner = layer[0].conv2.out_channels if is_bottleneck else 0
            stages.append(Blocks(len(layer), inner))
        return stages


def network_of_timm(name: str) -> FeatureNetwork:
    """Return a network of timm with random weights.

    Raises:
        DmadError: timm does not know the name, or the stages do not have strides 4, 8 and 16.
    """
    import timm  # takes a second, and video does not need it

    require(
        not name.startswith(GIVEN),
        f"the teacher of this model was given in Python ({name.removeprefix(GIVEN)}); load the "
        "model in Python with teacher=NETWORK, or register the network as an entry point",
    )
    require(timm.is_model(name), f"timm has no network {name!r}; give another, such as resnet18")
    network: Any = timm.create_model(name, features_only=True, out_indices=(1, 2, 3))
    info = network.feature_info
    require(
        info.reduction() == STRIDES,
        f"the stages of {name} have strides {info.reduction()}; give a teacher with strides "
        f"{STRIDES}, such as resnet18",
    )
    settings = network.pretrained_cfg
    return FeatureNetwork(network, tuple(info.channels()), settings["mean"], settings["std"])


def registered_teacher(name: str) -> nn.Module | None:
    """Return the network of the entry point with this name in the group `dmad.teachers`.

    None if no installed package has this entry point.
    """
    for entry in entry_points(group="dmad.teachers", name=name):
        network: nn.Module = entry.load()()
        return network
    return None


def channels_of(network: nn.Module, name: str) -> tuple[int, ...]:
    """Return the channels of the three stages of a network that does not come from timm.

    Raises:
        DmadError: The network does not compute three feature maps with strides 4, 8 and 16.
    """
    size = 64
    try:
        with torch.no_grad():
            stages = list(network.eval()(torch.zeros(1, 3, size, size)))
        sizes = [tuple(stage.shape[2:]) for stage in stages]
    except Exception as error:  # a network can raise any error
        raise DmadError(
            f"teacher {name} cannot compute features of an image (1, 3, {size}, {size}): "
            f"{one_line(error)[:80]}"
        ) from error
    expected = [(size // stride, size // stride) for stride in STRIDES]
    require(
        sizes == expected,
        f"teacher {name} computes features of sizes {sizes} from an image of {size} x {size}; "
        f"it must compute three, of sizes {expected}",
    )
    return tuple(stage.shape[1] for stage in stages)


class ResidualBlock(nn.Module):
    """A residual block, basic or bottleneck, that can halve or double the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        inner: Channels inside a bottleneck block. 0 makes a basic block.
        scale: Output size divided by input size: 0.5, 1 or 2 (a transposed convolution).
    """

    def __init__(self, in_channels: int, out_channels: int, inner: int = 0, scale: float = 1):
        super().__init__()
        if inner:
            self.path = nn.Sequential(
                resizing_conv(in_channels, inner, 1, 1),
                nn.BatchNorm2d(inner),
                nn.ReLU(),
                resizing_conv(inner, inner, 3, scale),
                nn.BatchNorm2d(inner),
                nn.ReLU(),
                resizing_conv(inner, out_channels, 1, 1),
                nn.BatchNorm2d(out_channels),
            )
        else:
            self.path = nn.Sequential(
                resizing_conv(in_channels, out_channels, 3, scale),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
                resizing_conv(out_channels, out_channels, 3, 1),
                nn.BatchNorm2d(out_channels),
            )
        self.shortcut = nn.Sequential()
        if scale != 1 or in_channels != out_channels:
            conv = resizing_conv(in_channels, out_channels, 1, scale)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """From (B, in, h, w) to (B, out, scale h, scale w)."""
        return F.relu(self.path(x) + self.shortcut(x))


def resizing_conv(in_channels: int, out_channels: int, kernel: int, scale: float) -> nn.Module:
    """Return a convolution without bias that keeps, halves or doubles height and width.

    Its weights are initialised for a ReLU after it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Height and width of the kernel, if `scale` is 0.5 or 1.
        scale: Output size divided by input size: 0.5, 1 or 2. For 2, the result is a transposed
            convolution with a kernel of 2 x 2.
    """
    conv: nn.Conv2d | nn.ConvTranspose2d
    if scale == 2:
        conv = nn.ConvTranspose2d(in_channels, out_channels, 2, 2, bias=False)
    else:
        stride = int(1 / scale)
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def residual_stage(
    in_channels: int, out_channels: int, blocks: Blocks, scale: float
) -> nn.Sequential:
    """Return a sequence of residual blocks. Only the first block changes size and channels."""
    others = [
        ResidualBlock(out_channels, out_channels, blocks.inner) for _ in range(blocks.count - 1)
    ]
    return nn.Sequential(ResidualBlock(in_channels, out_channels, blocks.inner, scale), *others)


def skip_layers(in_channels: int, out_channels: int, halvings: int) -> nn.Sequential:
    """Return convolutions, each with batch norm and ReLU, that halve the size `halvings` times.

    Each convolution has half as many channels as the next one. If `halvings` is 0, there is one
    convolution, which keeps the size.
    """
    count, scale = max(halvings, 1), 0.5 if halvings else 1
    layers: list[nn.Module] = []
    for index in range(count):
        width = out_channels // 2 ** (count - 1 - index)
        layers += [resizing_conv(in_channels, width, 3, scale), nn.BatchNorm2d(width), nn.ReLU()]
        in_channels = width
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """The bottleneck. It reduces all stages to the size of the last stage and joins their channels.

    Then residual blocks halve the size of the result.

    Args:
        channels: Channels C_i of the teacher's stages.
        widths: Channels W_i of the student's stages.
        blocks: Residual blocks of the teacher's last stage.
        compressed: True for a model with a memory. Then the features of all stages pass through
            compressed skip connections (Sec. 3.2). The connection of stage i keeps W_i / 4
            channels, and passes no gradient to the features. False: the features are not
            compressed, as in reverse distillation.
    """

    def __init__(
        self, channels: Sequence[int], widths: Sequence[int], blocks: Blocks, compressed: bool
    ) -> None:
        super().__init__()
        last, self.compressed = widths[-1], compressed
        passed = channels if compressed else channels[:-1]
        kept = [width // 4 if compressed else last for width in widths[: len(passed)]]
        self.skips = nn.ModuleList(
            skip_layers(width, out, int(log2(STRIDES[-1] // stride)))
            for width, out, stride in zip(passed, kept, STRIDES, strict=False)
        )
        doubled = Blocks(blocks.count, 2 * blocks.inner)
        self.embed = residual_stage(sum(kept) + channels[-1], 2 * last, doubled, 0.5)

    def forward(self, features: Sequence[Tensor], z: Tensor) -> Tensor:
        """Return the embedding from which the student starts.

        Args:
            features: The teacher's stages, (B, C_i, h_i, w_i) each.
            z: (B, C_3, h, w), the features of the last stage, or the memory items that replace
                them.

        Returns:
            (B, 2 W_3, h / 2, w / 2).
        """
        if self.compressed:
            features = [stage.detach() for stage in features]
        passed = [skip(stage) for skip, stage in zip(self.skips, features, strict=False)]
        embedding: Tensor = self.embed(torch.cat((*passed, z.to(features[-1].dtype)), 1))
        return embedding


class Student(nn.Module):
    """The student g: the teacher's stages in reverse order. Each stage doubles the size.

    If `widths` is given, a convolution of 1 x 1 after each stage changes W_i channels to C_i. Then
    the restored features can be negative. Without this convolution they cannot be negative, because
    each stage ends with a ReLU, as in a ResNet.

    Args:
        channels: Channels C_i of the teacher's stages.
        widths: Channels W_i of the student's stages. Empty: the same channels as the teacher.
        blocks: Residual blocks of the teacher's stages.
    """

    def __init__(
        self, channels: Sequence[int], widths: Sequence[int], blocks: Sequence[Blocks]
    ) -> None:
        super().__init__()
        own = widths or channels
        sources = (*own[1:], 2 * own[-1])
        self.stages = nn.ModuleList(
            residual_stage(source, width, each, 2)
            for source, width, each in zip(sources, own, blocks, strict=True)
        )
        self.outputs = nn.ModuleList(
            nn.Conv2d(width, count, 1) for width, count in zip(widths, channels, strict=False)
        )

    def forward(self, embedding: Tensor) -> list[Tensor]:
        """From (B, 2 W_3, h, w) to the features of stages 1 to 3, with the teacher's shapes."""
        restored: list[Tensor] = []
        for stage in reversed(list(self.stages)):
            embedding = stage(embedding)
            restored.insert(0, embedding)
        if not self.outputs:
            return restored
        return [output(stage) for output, stage in zip(self.outputs, restored, strict=True)]
