"""The PPDM form of DMAD: bend the image first, then restore a teacher's features (Eq. 15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from dmad.config import ImageModelConfig
from dmad.model.deformation import DeformationEstimator, compose_all, warp
from dmad.model.distillation import Bottleneck, Student, Teacher
from dmad.model.memory import Memory, MemoryOutput


@dataclass(frozen=True)
class Bent:
    """What is drawn of a batch. K is the number of heads each way."""

    deformed: Tensor  # (B, 3, H, W): x ∘ O_1 … ∘ O_K, what the teacher sees
    forward: tuple[Tensor, ...]  # K x (B, 2, H, W) grid units: O_1 … O_K, coarse first
    backward: tuple[Tensor, ...]  # K x (B, 2, H, W) grid units: O_1ᵀ … O_Kᵀ


@dataclass(frozen=True)
class PPDMOutput(Bent):
    """Everything the model computed for a batch."""

    returning: Tensor | None  # (B, 2, H, W): O_Kᵀ ∘ … ∘ O_1ᵀ; None where K = 0
    cycled: Tensor  # (B, 3, H, W): deformed and bent back, Eq. 17
    features: tuple[Tensor, ...]  # 3 x (B, C_i, h_i, w_i): f(x ∘ ψ'(x))
    restored: tuple[Tensor, ...]  # 3 x (B, C_i, h_i, w_i): x̂, the student's
    z_e: Tensor  # (B, C_3, h_3, w_3): what the memory is asked for, the teacher's last stage
    memory: MemoryOutput | None  # None without memory


class PPDM(nn.Module):
    """Diversity-measurable anomaly detection of images by Pre-PDM (Eq. 15).

    Without heads and memory it is reverse distillation.

    Args:
        config: The network's settings; `teacher` names f.
        size: Height and width of the images in pixels.
    """

    background: None = None  # single images have no fixed view

    def __init__(self, config: ImageModelConfig, size: int) -> None:
        super().__init__()
        self.teacher = Teacher(config.teacher)
        channels, blocks = self.teacher.channels, self.teacher.blocks()
        self.memory = Memory(config.memory_items, channels[-1]) if config.memory else None
        self.bottleneck = Bottleneck(channels, *blocks[-1], compressed=config.memory)
        self.student = Student(channels, blocks)
        self.estimator = DeformationEstimator.of(config, 3, size, ways=2)

    def forward(self, x: Tensor, features: Sequence[Tensor] | None = None) -> PPDMOutput:
        """Eq. 15: both fields of Eq. 16, the bent image, and its features restored.

        Args:
            x: (B, 3, H, W) in [-1, 1].
            features: The teacher's, where known and no deformation stands before it.
        """
        fields = self.estimator(x) if self.estimator else []
        forward, backward = fields[: len(fields) // 2], fields[len(fields) // 2 :]
        deformed = cycled = x
        returning = None
        if fields:
            deformed, returning = warp(x, compose_all(forward)[-1]), compose_all(backward[::-1])[-1]
            cycled = warp(deformed, returning)
        features = self.teacher(deformed) if features is None else features
        memory = self.memory(features[-1]) if self.memory else None
        restored = self.student(
            self.bottleneck(features, memory.decoded if memory else features[-1])
        )
        return PPDMOutput(
            deformed,
            tuple(forward),
            tuple(backward),
            returning,
            cycled,
            tuple(features),
            tuple(restored),
            features[-1],
            memory,
        )
