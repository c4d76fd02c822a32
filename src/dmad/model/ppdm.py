"""The PPDM form of DMAD: deform an image, then restore the features of the deformed image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from dmad.config import ImageModelConfig
from dmad.model.deformation import DeformationEstimator, compose_all, warp
from dmad.model.distillation import Bottleneck, Student, Teacher
from dmad.model.memory import Memory, MemoryOutput


@dataclass(frozen=True, eq=False)
class PPDMOutput:
    """All that the model computed for a batch. The model has K forward and K backward heads."""

    deformed: Tensor  # (B, 3, H, W): x ∘ O_1 … ∘ O_K, the image that the teacher sees
    forward: tuple[Tensor, ...]  # K x (B, 2, H, W) grid units: O_1 … O_K, coarse first
    backward: tuple[Tensor, ...]  # K x (B, 2, H, W) grid units: O_1ᵀ … O_Kᵀ
    return_field: Tensor | None  # (B, 2, H, W): O_Kᵀ ∘ … ∘ O_1ᵀ; None if K = 0
    cycled: Tensor  # (B, 3, H, W): the deformed image after the return field (Eq. 17)
    features: tuple[Tensor, ...]  # 3 x (B, C_i, h_i, w_i): f(x ∘ ψ'(x))
    restored: tuple[Tensor, ...]  # 3 x (B, C_i, h_i, w_i): x̂, computed by the student
    z_e: Tensor  # (B, C_3, h_3, w_3): the last stage of the features, which the memory quantises
    memory: MemoryOutput | None  # None without memory


class PPDM(nn.Module):
    """Diversity-measurable anomaly detection of images by Pre-PDM (Eq. 15).

    A model without heads and memory is reverse distillation.

    Args:
        config: The settings of the network. `config.teacher` is the name of the teacher (f in the
            paper).
        teacher: A network to use as teacher. None: the network that `config.teacher` names.
    """

    background: None = None  # single images have no fixed view

    def __init__(self, config: ImageModelConfig, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.teacher = Teacher(config.teacher, teacher, config.even_channels)
        channels, blocks = self.teacher.channels, self.teacher.blocks()
        own = config.student_widths
        self.memory = Memory(config.memory_items, channels[-1]) if config.memory else None
        self.bottleneck = Bottleneck(channels, own or channels, blocks[-1], config.memory)
        self.student = Student(channels, own, blocks)
        self.estimator = DeformationEstimator.from_config(config, 3, directions=2)

    def forward(self, x: Tensor, features: Sequence[Tensor] | None = None) -> PPDMOutput:
        """Deform images, restore the teacher's features, and deform the images back (Eq. 15 to 17).

        Args:
            x: (B, 3, H, W) in [-1, 1].
            features: The teacher's features of x. None: the teacher computes them. Give them only
                if the network has no heads. With heads, the teacher sees a deformed image, not x.
        """
        fields = self.estimator(x) if self.estimator else []
        heads = len(fields) // 2
        forward, backward = fields[:heads], fields[heads:]
        deformed, return_field, cycled = x, None, x
        if fields:
            deformed = warp(x, compose_all(forward)[-1])
            return_field = compose_all(backward[::-1])[-1]
            cycled = warp(deformed, return_field)
        if features is None:
            features = self.teacher(deformed)
        z_e = features[-1]
        memory = self.memory(z_e) if self.memory else None
        embedding = self.bottleneck(features, memory.decoded if memory else z_e)
        return PPDMOutput(
            deformed=deformed,
            forward=tuple(forward),
            backward=tuple(backward),
            return_field=return_field,
            cycled=cycled,
            features=tuple(features),
            restored=tuple(self.student(embedding)),
            z_e=z_e,
            memory=memory,
        )
