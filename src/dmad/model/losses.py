"""The paper's losses as pure functions. Means are over all elements, so sizes do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dmad.config import ImageLossConfig, VideoLossConfig
from dmad.model.pdm import PDMOutput
from dmad.model.ppdm import PPDMOutput


@dataclass(frozen=True)
class LossTerms:
    """The terms of Eq. 11, unweighted, each a scalar tensor, and their weighted sum."""

    reconstruction: Tensor  # L_rec, Eq. 10
    compression: Tensor  # L_com, Eq. 5
    smoothness: Tensor  # first term of L_df, Eq. 8
    strength: Tensor  # second term of L_df, Eq. 8
    background: Tensor  # how far the template is from the frames
    total: Tensor  # L_all, Eq. 11


@dataclass(frozen=True)
class ImageLossTerms:
    """The terms of Eq. 19, unweighted, each a scalar tensor, and their weighted sum."""

    reconstruction: Tensor  # L_rec, Eq. 10 with the cosine distance
    compression: Tensor  # L_com, Eq. 5
    smoothness: Tensor  # first two terms of L_df⁺, Eq. 18
    strength: Tensor  # last two terms of L_df⁺, Eq. 18
    cycle: Tensor  # L_cyc, Eq. 17
    total: Tensor  # L_all⁺, Eq. 19


def differences(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along width and height, zero at the far border; each as x is."""
    along_x = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1))
    along_y = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    return along_x, along_y


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """MSE part of Dis, per pixel: (B, C, H, W) twice to (B, H, W)."""
    return (x - reconstruction).square().mean(1)


def gradient_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Grad part of Dis, per pixel: L1 of the difference of gradients, (B, H, W)."""
    along_x, along_y = differences(x - reconstruction)
    return (along_x.abs() + along_y.abs()).mean(1)


def distance(x: Tensor, reconstruction: Tensor, gradient: float = 1.0) -> Tensor:
    """Dis(x, x̂) of Eq. 10 and 12 in sample space, per pixel.

    Args:
        x: (B, C, H, W).
        reconstruction: (B, C, H, W).
        gradient: Weight of the gradient part.

    Returns:
        (B, H, W), 0 or more.
    """
    error = squared_error(x, reconstruction)
    return error + gradient * gradient_error(x, reconstruction) if gradient else error


def compression_loss(z_e: Tensor, z_q: Tensor, beta: float = 0.25) -> Tensor:
    """Eq. 5: pull items to embeddings and, by β, embeddings to items."""
    z_e = z_e.to(z_q.dtype)
    return F.mse_loss(z_q, z_e.detach()) + beta * F.mse_loss(z_e, z_q.detach())


def strength(field: Tensor) -> Tensor:
    """‖O‖₂ per pixel of a field (B, 2, H, W): (B, H, W), grid units; used by Eq. 8 and 13."""
    return (field.square().sum(1) + 1e-12).sqrt()


def smoothness(field: Tensor, window: int = 0) -> Tensor:
    """First term of Eq. 8: mean absolute variation of a field (B, 2, H, W).

    Args:
        field: In grid units.
        window: 0 sums the differences of neighbours along x and y; an odd width takes the
            difference between a vector and the mean of its window.
    """
    if window:
        mean = F.avg_pool2d(field, window, 1, window // 2, count_include_pad=False)
        return (field - mean).abs().mean()
    along_x, along_y = differences(field)
    return (along_x.abs() + along_y.abs()).mean()


def reconstruction_loss(x: Tensor, heads: Sequence[Tensor], config: VideoLossConfig) -> Tensor:
    """Eq. 10: Σ_k Dis(x, x̂_k), the gradient part of all but the last scaled as configured."""
    total = x.new_zeros(())
    for k, head in enumerate(heads):
        scale = 1.0 if k == len(heads) - 1 else config.coarse_gradient
        total = total + distance(x, head, scale * config.gradient).mean()
    return total


def total_loss(x: Tensor, output: PDMOutput, config: VideoLossConfig) -> LossTerms:
    """Eq. 11, all terms.

    Args:
        x: (B, C, H, W) what was to be reconstructed.
        output: What the model made of its input.
        config: Weights.
    """
    zero = x.new_zeros(())
    memory, fields = output.memory, output.offsets
    reconstruction = reconstruction_loss(x, output.reconstructions, config)
    compression = compression_loss(output.z_e, memory.z_q, config.beta) if memory else zero
    smooth = sum((smoothness(f, config.smoothness_window) for f in fields), zero)
    strong = sum((strength(f).mean() for f in fields), zero)
    template = zero if output.background is None else F.mse_loss(output.background, x)
    deformation = config.smoothness * smooth + config.strength * strong
    total = reconstruction + config.gamma1 * compression + config.gamma2 * deformation
    total = total + config.background * template
    return LossTerms(reconstruction, compression, smooth, strong, template, total)


def cosine_loss(features: Sequence[Tensor], restored: Sequence[Tensor]) -> Tensor:
    """Eq. 10 for deep features: 1 - cosine of each whole stage, summed over stages."""
    pairs = zip(features, restored, strict=True)
    cosines = [F.cosine_similarity(a.flatten(1).float(), b.flatten(1).float()) for a, b in pairs]
    return (1 - torch.stack(cosines)).sum(0).mean()


def cycle_loss(x: Tensor, cycled: Tensor) -> Tensor:
    """Eq. 17: squared error between images (B, 3, H, W) and what returns from both fields."""
    return F.mse_loss(cycled, x.to(cycled.dtype))


def strength_plus(output: PPDMOutput, config: ImageLossConfig) -> Tensor:
    """Last two terms of Eq. 18; without the backward one as released, if configured so."""
    fields = output.forward + (output.backward if config.backward_strength else ())
    return sum((strength(f).mean() for f in fields), output.deformed.new_zeros(()))


def total_loss_plus(x: Tensor, output: PPDMOutput, config: ImageLossConfig) -> ImageLossTerms:
    """Eq. 18, 19, all terms.

    Args:
        x: (B, 3, H, W) images in [-1, 1].
        output: What the model made of them.
        config: Weights.
    """
    zero, memory, fields = x.new_zeros(()), output.memory, output.forward + output.backward
    reconstruction = cosine_loss(output.features, output.restored)
    compression = compression_loss(output.z_e, memory.z_q, config.beta) if memory else zero
    smooth = sum((smoothness(f, config.smoothness_window) for f in fields), zero)
    strong = strength_plus(output, config)
    cycle = cycle_loss(x, output.cycled) if fields else zero
    deformation = config.smoothness * smooth + config.strength * strong
    total = reconstruction + config.gamma1 * compression + config.gamma2 * deformation
    total = total + config.gamma3 * cycle
    return ImageLossTerms(reconstruction, compression, smooth, strong, cycle, total)
