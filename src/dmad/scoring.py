"""Maps and scores: how anomalous each pixel and frame is (Eq. 12 to 14); raw, never clamped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dmad.config import ScoreConfig
from dmad.losses import distance, gradient_error, strength
from dmad.nn.deformation import field_in_pixels
from dmad.nn.pdm import PDMOutput

RELEASED_OFFSET_KERNEL = (7, 18)
RELEASED_GRADIENT_KERNEL = (16, 14)


@dataclass(frozen=True)
class Scores:
    """Maps and scores of a batch; larger is more anomalous."""

    reconstruction_map: Tensor  # (B, H, W): A_rec, Eq. 12
    deformation_map: Tensor  # (B, H, W): A_df, Eq. 13, grid units
    reconstruction: Tensor  # (B,): max of the averaged A_rec
    deformation: Tensor  # (B,): max of the averaged A_df, before α
    score: Tensor  # (B,): Score_I, Eq. 14


def average(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """A ⊗ k* with an averaging kernel; pixels outside the frame count as zero.

    Args:
        maps: (B, H, W).
        size: Height and width of the kernel in pixels.

    Returns:
        (B, H, W).
    """
    rows, columns = size
    top, left = (rows - 1) // 2, (columns - 1) // 2
    padded = F.pad(maps[:, None], (left, columns - 1 - left, top, rows - 1 - top))
    return F.avg_pool2d(F.avg_pool2d(padded, (rows, 1), 1), (1, columns), 1)[:, 0]


def deformation_map(offsets: tuple[Tensor, ...], like: Tensor) -> Tensor:
    """Eq. 13: A_df = Σ_k ‖O_k‖₂, (B, H, W); zero without heads."""
    return sum((strength(field) for field in offsets), torch.zeros_like(like[:, 0]))


def score(x: Tensor, output: PDMOutput, config: ScoreConfig, gradient: float = 1.0) -> Scores:
    """Eq. 12 to 14.

    Args:
        x: (B, C, H, W) what the camera saw, in [-1, 1].
        output: What the model made of its input.
        config: α and kernel.
        gradient: Weight of the gradient part of Dis.

    Returns:
        Both maps, both terms and their sum.
    """
    a_rec = distance(x, output.reconstructions[-1], gradient)
    a_df = deformation_map(output.offsets, like=x)
    reconstruction = average(a_rec, config.kernel).amax((1, 2))
    deformation = average(a_df, config.kernel).amax((1, 2))
    total = reconstruction + config.alpha * deformation
    return Scores(a_rec, a_df, reconstruction, deformation, total)


def pixel_map(scores: Scores, config: ScoreConfig) -> Tensor:
    """(B, H, W): the averaged maps whose maxima Eq. 14 adds, added pixel by pixel."""
    smooth = average(scores.reconstruction_map, config.kernel)
    return smooth + config.alpha * average(scores.deformation_map, config.kernel)


@dataclass(frozen=True)
class ReleasedTerms:
    """The three frame scores of the released Ped2 code, before any normalisation."""

    deformation: Tensor  # (B,): max of the averaged |vertical part of O_1|, in pixels
    reconstruction: Tensor  # (B,): mean absolute error of the frame
    gradient: Tensor  # (B,): max of the averaged gradient error


def released_terms(x: Tensor, output: PDMOutput) -> ReleasedTerms:
    """The released variant of Eq. 12 to 14, which the published Ped2 figure rests on.

    Args:
        x: (B, C, H, W) what the camera saw, in [-1, 1].
        output: What the model made of its input.
    """
    final = output.reconstructions[-1]
    gradient = average(gradient_error(x, final), RELEASED_GRADIENT_KERNEL)
    vertical = torch.zeros_like(gradient)
    if output.offsets:
        vertical = field_in_pixels(output.offsets[0])[:, 1].abs()
    vertical = average(vertical, RELEASED_OFFSET_KERNEL)
    error = (x - final).abs().mean((1, 2, 3))
    return ReleasedTerms(vertical.amax((1, 2)), error, gradient.amax((1, 2)))
