"""A bank of normal patches. A patch is the vector of a teacher's features at one place of an image.

The bank keeps patches of good images. The score of a place is the distance from its patch to the
nearest patch in the bank. This is the idea of PatchCore (Roth et al., "Towards Total Recall in
Industrial Anomaly Detection", CVPR 2022). Nothing is learnt by gradients.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.config import PatchModelConfig
from dmad.model.distillation import Teacher

STAGES = slice(1, 3)  # the stages of the teacher with strides 8 and 16
WINDOW = 3  # features are averaged over 3 x 3 places
COMPARED = 1024  # vectors that are compared with all others at once; limits the memory


class PatchBank(nn.Module):
    """A model that stores patches of good images, and the frozen teacher that computes patches.

    Args:
        config: The settings of the model.
        teacher: A network to use as teacher. None: the network that `config.teacher` names.
    """

    background: None = None  # single images have no fixed view
    patches: Tensor  # (N, D) 16 bit: features of N places

    def __init__(self, config: PatchModelConfig, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.teacher = Teacher(config.teacher, teacher, even_channels=True)
        channels = sum(self.teacher.channels[STAGES])
        self.register_buffer("patches", torch.zeros(1, channels))

    def with_patches(self, patches: Tensor) -> PatchBank:
        """Return a bank with the same teacher and other patches (N, D)."""
        other = copy(self)
        other._buffers = {**self._buffers, "patches": patches}
        return other

    def patches_of(self, x: Tensor) -> Tensor:
        """Return the patches of images: from (B, 3, H, W) in [-1, 1] to (B, D, H / 8, W / 8).

        D is the number of channels of two stages of the teacher together: those with strides 8 and
        16. The squared distance of two patches is the mean of the squared differences of their
        channels. At the border of the image, features are averaged with zeros from outside the
        image. So distances at the border are smaller. Zeros were chosen because good test images of
        screw (MVTec AD) had their highest scores at the border (docs/results.md).
        """
        stages = [
            F.avg_pool2d(stage.float(), WINDOW, 1, WINDOW // 2) for stage in self.teacher(x)[STAGES]
        ]
        fine = stages[0].shape[2:]
        resized = [F.interpolate(stage, fine, mode="bilinear") for stage in stages[1:]]
        patches = torch.cat((stages[0], *resized), 1)
        return torch.div(patches, patches.shape[1] ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the distance of each place to the nearest patch of the bank.

        Args:
            x: (B, 3, H, W) in [-1, 1].

        Returns:
            (B, H, W), 0 or more, interpolated between places.
        """
        patches = self.patches_of(x)
        batch, channels, height, width = patches.shape
        places = patches.movedim(1, -1).reshape(-1, channels)
        maps = distances_to_nearest(places, self.patches).reshape(batch, 1, height, width)
        return F.interpolate(maps, x.shape[2:], mode="bilinear")[:, 0]

    def _load_from_state_dict(self, state: Any, prefix: str, *others: Any) -> None:
        """Load patches, also if their number differs from the number of patches in this bank."""
        found = state.get(f"{prefix}patches", self.patches)
        if found.shape[1:] == self.patches.shape[1:] and len(found):  # else loading is refused
            self.patches = torch.empty_like(found)
        super()._load_from_state_dict(state, prefix, *others)


def distances_to_nearest(a: Tensor, b: Tensor) -> Tensor:
    """Return the distance (N,) of each vector of `a` (N, D) to the nearest vector of `b` (M, D).

    One matrix product computes the squared distances without |a|², which is added afterwards:
    (-2 a, 1) · (b, |b|²).
    """
    with torch.autocast(a.device.type, enabled=False):  # 16 bit would round the distances
        return _distances_to_nearest(a.float(), b.float())


def _distances_to_nearest(a: Tensor, b: Tensor) -> Tensor:
    turned = torch.cat((b, b.square().sum(1, keepdim=True)), 1).T
    places = torch.cat((-2 * a, torch.ones_like(a[:, :1])), 1)
    starts = range(0, len(places), COMPARED)  # `torch.split` cannot be exported
    squared = torch.cat([(places[i : i + COMPARED] @ turned).amin(1) for i in starts])
    return (squared + a.square().sum(1)).clamp(min=0).sqrt()
