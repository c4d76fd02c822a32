"""Maps and scores: how anomalous each pixel, frame or image is (Eq. 12 to 14, 20 to 23).

Raw, never clamped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dmad.config import ImageScoreConfig, VideoScoreConfig
from dmad.model.deformation import compose, field_in_pixels, warp
from dmad.model.losses import distance, gradient_error, strength
from dmad.model.pdm import PDMOutput
from dmad.model.ppdm import PPDMOutput

RELEASED_OFFSET_KERNEL, AVENUE_OFFSET_KERNEL = (7, 18), (6, 18)

RELEASED_GRADIENT_KERNEL = (16, 14)


@dataclass(frozen=True)
class Scores:
    """Maps and scores of a batch; larger is more anomalous."""

    reconstruction_map: Tensor  # (B, H, W): A_rec, Eq. 12; A_rec⁺, Eq. 20
    deformation_map: Tensor  # (B, H, W): A_df, Eq. 13; A_df⁺, Eq. 21; grid units
    reconstruction: Tensor  # (B,): max of the smoothed A_rec
    deformation: Tensor  # (B,): max of the smoothed A_df, before α
    score: Tensor  # (B,): Score_I, Eq. 14; Score_I⁺, Eq. 22


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
    padded = F.pad(maps, (left, columns - 1 - left, top, rows - 1 - top))
    if torch.onnx.is_in_onnx_export():  # other runtimes pool faster than they slice
        return F.avg_pool2d(F.avg_pool2d(padded[:, None], (rows, 1), 1), (1, columns), 1)[:, 0]
    return window_sums(window_sums(padded, rows, 1), columns, 2) / (rows * columns)


def window_sums(x: Tensor, length: int, axis: int) -> Tensor:
    """Sum over every window of `length` along an axis, by doubling: few additions, no loss."""
    count = x.shape[axis] - length + 1
    total, at, sums, width = None, 0, x, 1
    while True:
        if length & width:
            part = sums.narrow(axis, at, count)
            total, at = part if total is None else total + part, at + width
        if at == length:
            assert total is not None
            return total
        kept = sums.shape[axis] - width
        sums, width = sums.narrow(axis, 0, kept) + sums.narrow(axis, width, kept), 2 * width


def deformation_map(offsets: tuple[Tensor, ...], like: Tensor) -> Tensor:
    """Eq. 13: A_df = Σ_k ‖O_k‖₂, (B, H, W); zero without heads."""
    return sum((strength(field) for field in offsets), torch.zeros_like(like[:, 0]))


def score(x: Tensor, output: PDMOutput, config: VideoScoreConfig, gradient: float = 1.0) -> Scores:
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
    return _judged(a_rec, deformation_map(output.offsets, like=x), config)


def _judged(a_rec: Tensor, a_df: Tensor, config: VideoScoreConfig) -> Scores:
    """Eq. 14."""
    return _maxima(a_rec, a_df, config.alpha, lambda a: average(a, config.kernel))


def _maxima(
    a_rec: Tensor, a_df: Tensor, alpha: float, smooth: Callable[[Tensor], Tensor]
) -> Scores:
    """The maxima of both maps, smoothed, and their sum."""
    reconstruction, deformation = (smooth(a).amax((1, 2)) for a in (a_rec, a_df))
    return Scores(a_rec, a_df, reconstruction, deformation, reconstruction + alpha * deformation)


def within(scores: Scores, config: VideoScoreConfig, zone: Tensor) -> Scores:
    """Eq. 14 of a part of the view: what lies outside is nothing, before average and maximum.

    Args:
        scores: Of whole frames.
        config: α and kernel.
        zone: (H, W) bool, True where the view counts.
    """
    return _judged(scores.reconstruction_map * zone, scores.deformation_map * zone, config)


def pixel_map(scores: Scores, config: VideoScoreConfig) -> Tensor:
    """(B, H, W): the averaged maps whose maxima Eq. 14 adds, added pixel by pixel."""
    smooth = average(scores.reconstruction_map, config.kernel)
    return smooth + config.alpha * average(scores.deformation_map, config.kernel)


@dataclass(frozen=True)
class ReleasedTerms:
    """The three frame scores of the released code, before any normalisation."""

    deformation: Tensor  # (B,): max of the averaged |vertical part of O_1|, in pixels
    reconstruction: Tensor  # (B,): mean absolute error of the frame; of Avenue mean squared
    gradient: Tensor  # (B,): max of the averaged gradient error


def released_terms(x: Tensor, output: PDMOutput, layout: str = "ped2") -> ReleasedTerms:
    """The released variant of Eq. 12 to 14, which the published figures rest on.

    Args:
        x: (B, C, H, W) what the camera saw, in [-1, 1].
        output: What the model made of its input.
        layout: Of the data: Avenue has a box and a distance of its own.
    """
    avenue = layout == "avenue"
    final = output.reconstructions[-1]
    gradient = average(gradient_error(x, final), RELEASED_GRADIENT_KERNEL)
    vertical = torch.zeros_like(gradient)
    if output.offsets:
        vertical = field_in_pixels(output.offsets[0])[:, 1].abs()
    vertical = average(vertical, AVENUE_OFFSET_KERNEL if avenue else RELEASED_OFFSET_KERNEL)
    error = (x - final).square() if avenue else (x - final).abs()
    return ReleasedTerms(vertical.amax((1, 2)), error.mean((1, 2, 3)), gradient.amax((1, 2)))


def blur(maps: Tensor, sigma: float) -> Tensor:
    """A ⊗ k* with a Gaussian kernel, cut off at 4 σ; the border's values go on outside.

    Args:
        maps: (B, H, W).
        sigma: Standard deviation in pixels.

    Returns:
        (B, H, W).
    """
    radius = round(4 * sigma)
    steps = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None, None, None]
    padded = F.pad(maps[:, None], (radius,) * 4, mode="replicate")
    with torch.autocast(maps.device.type, enabled=False):  # 16 bits would round the scores
        return F.conv2d(F.conv2d(padded, kernel), kernel.mT)[:, 0]


def feature_map(output: PPDMOutput, size: int) -> Tensor:
    """Dis(x, x̂_K) of Eq. 20: 1 - cosine at each place of each stage, enlarged, summed.

    Returns:
        (B, size, size), aligned with the bent image.
    """
    pairs = zip(output.features, output.restored, strict=True)
    stages = [1 - cosine(a.float(), b.float())[:, None] for a, b in pairs]
    enlarged = [
        F.interpolate(stage, size=(size, size), mode="bilinear", align_corners=True)
        for stage in stages
    ]
    return torch.stack(enlarged).sum(0)[:, 0]


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine similarity at each place, (B, C, h, w) twice to (B, h, w), in three passes."""
    lengths: Tensor = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    return (a * b).sum(1) / lengths.clamp(min=1e-12)


def reconstruction_map_plus(output: PPDMOutput) -> Tensor:
    """Eq. 20: A_rec⁺, the feature map brought back to where the image was, (B, H, W)."""
    found = feature_map(output, output.deformed.shape[-1])
    return found if output.returning is None else warp(found[:, None], output.returning)[:, 0]


def carried_strength(fields: Sequence[Tensor]) -> Tensor:
    """One sum of Eq. 21: the strength of each field, carried on by those applied after it.

    Args:
        fields: One or more (B, 2, H, W), in the order of their application.

    Returns:
        (B, H, W), grid units.
    """
    *before, after = fields
    total = strength(after)
    for field in reversed(before):
        total = total + strength(warp(field, after))
        after = compose(field, after)
    return total


def deformation_map_plus(output: PPDMOutput, backward_only: bool = False) -> Tensor:
    """Eq. 21: A_df⁺ of both ways, or of the backward one (released), (B, H, W), grid units."""
    if not output.forward:
        return torch.zeros_like(output.deformed[:, 0])
    backward = carried_strength(output.backward[::-1])
    return backward if backward_only else carried_strength(output.forward) + backward


def score_plus(output: PPDMOutput, config: ImageScoreConfig) -> Scores:
    """Eq. 20 to 22."""
    a_rec = reconstruction_map_plus(output)
    a_df = deformation_map_plus(output, config.backward_only)
    return _maxima(a_rec, a_df, config.alpha, lambda a: blur(a, config.sigma))


def pixel_map_plus(scores: Scores, config: ImageScoreConfig) -> Tensor:
    """Eq. 23, smoothed as Eq. 22 is: (B, H, W)."""
    return blur(scores.reconstruction_map + config.alpha * scores.deformation_map, config.sigma)
