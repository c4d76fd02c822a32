"""The paper's losses as pure functions.

Losses are means over all elements, so the image size does not change them. Functions for images end
in `_plus`, because the paper marks their results with ⁺.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dmad.config import ImageLossConfig, VideoLossConfig
from dmad.model.pdm import PDMOutput
from dmad.model.ppdm import PPDMOutput


@dataclass(frozen=True, eq=False)
class VideoLossTerms:
    """The terms of Eq. 11 before weighting, and their weighted sum. Each is a scalar tensor."""

    reconstruction: Tensor  # L_rec, Eq. 10
    compression: Tensor  # L_com, Eq. 5
    smoothness: Tensor  # first term of L_df, Eq. 8
    strength: Tensor  # second term of L_df, Eq. 8
    background: Tensor  # squared error between the background templates and the frames
    mask_area: Tensor  # mean of the foreground mask
    mask_entropy: Tensor  # mean entropy of the foreground mask, in nats
    total: Tensor  # L_all, Eq. 11


@dataclass(frozen=True, eq=False)
class ImageLossTerms:
    """The terms of Eq. 19 before weighting, and their weighted sum. Each is a scalar tensor."""

    reconstruction: Tensor  # L_rec, Eq. 10 with the cosine distance
    compression: Tensor  # L_com, Eq. 5
    smoothness: Tensor  # first two terms of L_df⁺, Eq. 18
    strength: Tensor  # last two terms of L_df⁺, Eq. 18
    cycle: Tensor  # L_cyc, Eq. 17
    total: Tensor  # L_all⁺, Eq. 19


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return ∇x along width and along height: the difference between each pixel and the next one.

    Both results have the shape of x. The first is zero in the last column, the second in the last
    row.
    """
    along_x = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1))
    along_y = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    return along_x, along_y


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the squared error of each pixel, a part of the distance Dis (Eq. 10).

    Both inputs are (B, C, H, W). The result, a mean over the channels, is (B, H, W).
    """
    return (x - reconstruction).square().mean(1)


def gradient_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the gradient error (L1) of each pixel, a part of the distance Dis (Eq. 10).

    The error is the absolute difference of the gradients. Both inputs are (B, C, H, W). The result,
    a mean over the channels, is (B, H, W).
    """
    along_x, along_y = gradients(x - reconstruction)
    return (along_x.abs() + along_y.abs()).mean(1)


def distance(x: Tensor, reconstruction: Tensor, gradient: float = 1.0) -> Tensor:
    """Dis(x, x̂) of Eq. 10 and 12 for each pixel.

    Args:
        x: (B, C, H, W).
        reconstruction: (B, C, H, W).
        gradient: Weight of the gradient error.

    Returns:
        (B, H, W), 0 or more.
    """
    error = squared_error(x, reconstruction)
    return error + gradient * gradient_error(x, reconstruction) if gradient else error


def reconstruction_loss(
    x: Tensor, reconstructions: Sequence[Tensor], config: VideoLossConfig
) -> Tensor:
    """Eq. 10: Σ_k Dis(x, x̂_k).

    The gradient error of all reconstructions except the last is multiplied by `coarse_gradient`.
    """
    *coarse, finest = reconstructions
    coarse_weight = config.coarse_gradient * config.gradient
    total = x.new_zeros(())
    for reconstruction in coarse:
        total = total + distance(x, reconstruction, coarse_weight).mean()
    return total + distance(x, finest, config.gradient).mean()


def compression_loss(z_e: Tensor, z_q: Tensor, beta: float = 0.25) -> Tensor:
    """Eq. 5: moves items towards embeddings and, with weight β, embeddings towards items."""
    z_e = z_e.to(z_q.dtype)
    return F.mse_loss(z_q, z_e.detach()) + beta * F.mse_loss(z_e, z_q.detach())


def smoothness(field: Tensor, window: int = 0) -> Tensor:
    """First term of Eq. 8: mean absolute variation of a field.

    Args:
        field: (B, 2, H, W) in grid units.
        window: 0: each vector is compared with its neighbours along x and y. An odd number: each
            vector is compared with the mean of a window of this width and height around it.
    """
    if window:
        mean = F.avg_pool2d(field, window, 1, window // 2, count_include_pad=False)
        return (field - mean).abs().mean()
    along_x, along_y = gradients(field)
    return (along_x.abs() + along_y.abs()).mean()


def strength(field: Tensor) -> Tensor:
    """‖O‖₂ of Eq. 8 and 13 for each pixel: from (B, 2, H, W) to (B, H, W), in grid units."""
    return (field.square().sum(1) + 1e-12).sqrt()


def binary_entropy(probability: Tensor) -> Tensor:
    """Return the entropy of each probability in [0, 1], in nats. It is largest at 0.5."""
    p = probability.clamp(1e-6, 1 - 1e-6)  # the gradient is infinite at 0 and 1
    return -(p * p.log() + (1 - p) * (1 - p).log())


def total_loss(
    x: Tensor, output: PDMOutput, config: VideoLossConfig, frame: int = 0
) -> VideoLossTerms:
    """Compute Eq. 11 and all its terms.

    Args:
        x: (B, C, H, W), the frames or images to reconstruct.
        output: The model's output for them.
        config: The weights of the terms.
        frame: Height and width of the whole frames in pixels, if x are crops. The losses of a field
            are then in grid units of the whole frame. So a displacement by some pixels has the same
            loss in a crop as in the whole frame. 0: x are whole frames.
    """
    zero, memory, mask = x.new_zeros(()), output.memory, output.mask_probability
    unit = (x.shape[-1] - 1) / (frame - 1) if frame else 1.0
    fields = [unit * field for field in output.offsets]
    l_rec = reconstruction_loss(x, output.reconstructions, config)
    l_com = compression_loss(output.z_e, memory.z_q, config.beta) if memory else zero
    l_smooth = sum((smoothness(field, config.smoothness_window) for field in fields), zero)
    l_strength = sum((strength(field).mean() for field in fields), zero)
    l_background = zero if output.background is None else F.mse_loss(output.background, x)
    area = zero if mask is None else mask.mean()
    entropy = zero
    if mask is not None and config.mask_entropy:
        entropy = binary_entropy(mask).mean()
    l_df = config.smoothness * l_smooth + config.strength * l_strength
    l_mask = config.mask_area * area + config.mask_entropy * entropy
    l_view = config.background * l_background + l_mask
    l_all = l_rec + config.gamma1 * l_com + config.gamma2 * l_df + l_view
    return VideoLossTerms(
        l_rec, l_com, l_smooth, l_strength, l_background, area, entropy, total=l_all
    )


def cosine_loss(features: Sequence[Tensor], restored: Sequence[Tensor]) -> Tensor:
    """Eq. 10 for features: the sum of 1 - cosine similarity over the stages.

    All features of a stage are one vector in the cosine similarity. The result is the mean over the
    batch.
    """
    pairs = zip(features, restored, strict=True)
    cosines = [F.cosine_similarity(a.flatten(1).float(), b.flatten(1).float()) for a, b in pairs]
    return (1 - torch.stack(cosines)).sum(0).mean()


def cycle_loss(x: Tensor, cycled: Tensor) -> Tensor:
    """Eq. 17: mean squared error between images and the same images deformed and deformed back.

    Args:
        x: (B, 3, H, W), the images.
        cycled: (B, 3, H, W), the images after the forward and the backward deformation.
    """
    return F.mse_loss(cycled, x.to(cycled.dtype))


def strength_plus(output: PPDMOutput, config: ImageLossConfig) -> Tensor:
    """Last two terms of Eq. 18: the strength of forward and backward fields.

    Without `config.backward_strength`, the result is the strength of the forward fields only.
    """
    fields = output.forward + output.backward if config.backward_strength else output.forward
    return sum((strength(field).mean() for field in fields), output.deformed.new_zeros(()))


def total_loss_plus(x: Tensor, output: PPDMOutput, config: ImageLossConfig) -> ImageLossTerms:
    """Compute Eq. 19 and all its terms (Eq. 18).

    Args:
        x: (B, 3, H, W), images in [-1, 1].
        output: The model's output for them.
        config: The weights of the terms.
    """
    zero, memory, fields = x.new_zeros(()), output.memory, output.forward + output.backward
    l_rec = cosine_loss(output.features, output.restored)
    l_com = compression_loss(output.z_e, memory.z_q, config.beta) if memory else zero
    l_smooth = sum((smoothness(field, config.smoothness_window) for field in fields), zero)
    l_strength = strength_plus(output, config)
    l_cyc = cycle_loss(x, output.cycled) if fields else zero
    l_df = config.smoothness * l_smooth + config.strength * l_strength
    l_all = l_rec + config.gamma1 * l_com + config.gamma2 * l_df + config.gamma3 * l_cyc
    return ImageLossTerms(l_rec, l_com, l_smooth, l_strength, l_cyc, total=l_all)
