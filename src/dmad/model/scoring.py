"""Maps and scores: how anomalous each pixel, frame or image is (Eq. 12 to 14, 20 to 23).

Scores are raw: a larger score is more anomalous, and scores have no upper limit. Functions for
images end in `_plus`, because the paper marks their results with ⁺.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dmad.config import ImageScoreConfig, ScoreConfig, VideoScoreConfig
from dmad.model.deformation import compose, field_in_pixels, warp
from dmad.model.losses import distance, gradient_error, strength
from dmad.model.pdm import PDMOutput
from dmad.model.ppdm import PPDMOutput

# Height and width in pixels of the averaging kernels in the authors' released code.
RELEASED_OFFSET_KERNEL, AVENUE_OFFSET_KERNEL = (7, 18), (6, 18)
RELEASED_GRADIENT_KERNEL = (16, 14)


@dataclass(frozen=True, eq=False)
class Scores:
    """Maps and scores of a batch of frames or images."""

    reconstruction_map: Tensor  # (B, H, W): A_rec of Eq. 12; for images A_rec⁺ of Eq. 20
    deformation_map: Tensor  # (B, H, W), grid units: A_df of Eq. 13; for images A_df⁺ of Eq. 21
    reconstruction: Tensor  # (B,): maximum of A_rec ⊗ k*
    deformation: Tensor  # (B,): maximum of A_df ⊗ k*, without α
    score: Tensor  # (B,): Score_I of Eq. 14; for images Score_I⁺ of Eq. 22

    def outputs(self, *others: Tensor) -> dict[str, Tensor]:
        """Return the outputs of an exported model by name: the scores as `terms`, and the maps.

        Args:
            *others: More scores, (B,) each. They become the last columns of `terms`.
        """
        return {
            "terms": torch.stack((self.score, self.reconstruction, self.deformation, *others), 1),
            "reconstruction_map": self.reconstruction_map,
            "deformation_map": self.deformation_map,
        }


def score(x: Tensor, output: PDMOutput, config: VideoScoreConfig, gradient: float = 1.0) -> Scores:
    """Compute the maps and scores of frames: Eq. 12 to 14.

    Args:
        x: (B, C, H, W), frames as the camera recorded them, in [-1, 1].
        output: The model's output for these frames.
        config: α and the kernel.
        gradient: Weight of the gradient error in the distance Dis of Eq. 12.
    """
    a_rec = distance(x, output.reconstructions[-1], gradient)
    a_df = deformation_map(output.offsets, like=x)
    return scores_of_maps(a_rec, a_df, config)


def deformation_map(offsets: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return the map A_df = Σ_k ‖O_k‖₂ of Eq. 13, (B, H, W), in grid units.

    Args:
        offsets: The fields O_k, (B, 2, H, W) each. Without fields, the map is zero.
        like: A tensor (B, C, H, W), such as the frames. Without fields, the map gets the size
            of this tensor.
    """
    return sum((strength(field) for field in offsets), torch.zeros_like(like[:, 0]))


def scores_of_maps(a_rec: Tensor, a_df: Tensor, config: VideoScoreConfig) -> Scores:
    """Compute Eq. 14 from the maps A_rec and A_df (B, H, W)."""
    reconstruction = box_filter(a_rec, config.kernel).amax((1, 2))
    deformation = box_filter(a_df, config.kernel).amax((1, 2))
    total = reconstruction + config.alpha * deformation
    return Scores(a_rec, a_df, reconstruction, deformation, total)


def pixel_map(a_rec: Tensor, a_df: Tensor, config: VideoScoreConfig) -> Tensor:
    """Return the score of every pixel, (B, H, W): the weighted sum in Eq. 14 at this pixel."""
    return box_filter(a_rec, config.kernel) + config.alpha * box_filter(a_df, config.kernel)


def box_filter(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Average maps over a kernel: A ⊗ k* of Eq. 14. Pixels outside the frame are zero.

    Args:
        maps: (B, H, W).
        size: Height and width of the kernel in pixels.

    Returns:
        (B, H, W).
    """
    rows, columns = size
    top, left = (rows - 1) // 2, (columns - 1) // 2
    padded = F.pad(maps, (left, columns - 1 - left, top, rows - 1 - top))
    across = F.avg_pool1d(padded, columns, 1).transpose(1, 2)  # .mT cannot be exported to ONNX
    return F.avg_pool1d(across, rows, 1).transpose(1, 2)


@dataclass(frozen=True, eq=False)
class ReleasedTerms:
    """The three frame scores of the authors' released code, before any normalisation."""

    deformation: Tensor  # (B,): maximum of the averaged |vertical part of O_1|, in pixels
    reconstruction: Tensor  # (B,): mean absolute error of the frame; for Avenue mean squared error
    gradient: Tensor  # (B,): maximum of the averaged gradient error


def released_terms(x: Tensor, output: PDMOutput, layout: str = "ped2") -> ReleasedTerms:
    """Compute the frame scores of the authors' released code, a variant of Eq. 12 to 14.

    The published results were computed from these scores.

    Args:
        x: (B, C, H, W), frames as the camera recorded them, in [-1, 1].
        output: The model's output for these frames.
        layout: Name of the data set. For `avenue`, the code uses another kernel and another error.
    """
    is_avenue = layout == "avenue"
    final = output.reconstructions[-1]
    gradient = box_filter(gradient_error(x, final), RELEASED_GRADIENT_KERNEL)
    vertical = torch.zeros_like(gradient)
    if output.offsets:
        vertical = field_in_pixels(output.offsets[0])[:, 1].abs()
    vertical = box_filter(vertical, AVENUE_OFFSET_KERNEL if is_avenue else RELEASED_OFFSET_KERNEL)
    error = (x - final).square() if is_avenue else (x - final).abs()
    return ReleasedTerms(
        deformation=vertical.amax((1, 2)),
        reconstruction=error.mean((1, 2, 3)),
        gradient=gradient.amax((1, 2)),
    )


def score_plus(output: PPDMOutput, config: ImageScoreConfig) -> Scores:
    """Compute the maps and scores of images: Eq. 20 to 22."""
    a_rec = reconstruction_map_plus(output)
    a_df = deformation_map_plus(output, config.backward_only)
    return scores_of_maps_plus(a_rec, a_df, config)


def reconstruction_map_plus(output: PPDMOutput) -> Tensor:
    """Eq. 20: A_rec⁺, the feature distance at each pixel of the input image, (B, H, W).

    The distance is computed for the deformed image, and the map is then deformed back.
    """
    aligned_with_deformed = feature_map(output, output.deformed.shape[-1])
    if output.return_field is None:
        return aligned_with_deformed
    return warp(aligned_with_deformed[:, None], output.return_field)[:, 0]


def feature_map(output: PPDMOutput, size: int) -> Tensor:
    """Dis(x, x̂_K) of Eq. 20, for each pixel of the deformed image (not of the input image).

    At each position of each stage of the teacher, the distance is 1 - cosine similarity of the
    teacher's features and the restored features. The maps of the stages are enlarged and added.

    Returns:
        (B, size, size).
    """
    stages = []
    for features, restored in zip(output.features, output.restored, strict=True):
        difference = 1 - cosine(features.float(), restored.float())[:, None]
        stages.append(F.interpolate(difference, (size, size), mode="bilinear", align_corners=True))
    return torch.stack(stages).sum(0)[:, 0]


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine similarity at each position: from two (B, C, h, w) to (B, h, w).

    This is faster than the function of torch, because it reads the features fewer times.
    """
    lengths: Tensor = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    return (a * b).sum(1) / lengths.clamp(min=1e-12)


def deformation_map_plus(output: PPDMOutput, backward_only: bool = False) -> Tensor:
    """Eq. 21: A_df⁺ of both directions.

    Args:
        output: The model's output.
        backward_only: Use only the backward direction, as in the released code.

    Returns:
        (B, H, W), in grid units. Zero if the model has no heads.
    """
    if not output.forward:
        return torch.zeros_like(output.deformed[:, 0])
    backward = sum_of_warped_strengths(output.backward[::-1])
    if backward_only:
        return backward
    return sum_of_warped_strengths(output.forward) + backward


def sum_of_warped_strengths(fields: Sequence[Tensor]) -> Tensor:
    """Return one of the two sums in Eq. 21: for each pixel, the sum of the vector lengths.

    The vectors of each field are warped by the fields that are applied after this field. Then
    their lengths are added.

    Args:
        fields: One or more (B, 2, H, W), in the order in which they are applied.

    Returns:
        (B, H, W), in grid units.
    """
    *earlier, later = fields
    total = strength(later)
    for field in reversed(earlier):
        total = total + strength(warp(field, later))
        later = compose(field, later)
    return total


def scores_of_maps_plus(a_rec: Tensor, a_df: Tensor, config: ScoreConfig) -> Scores:
    """Compute Eq. 22 from the maps A_rec⁺ and A_df⁺ (B, H, W)."""
    reconstruction = gaussian_blur(a_rec, config.sigma).amax((1, 2))
    deformation = gaussian_blur(a_df, config.sigma).amax((1, 2))
    total = reconstruction + config.alpha * deformation
    return Scores(a_rec, a_df, reconstruction, deformation, total)


def pixel_map_plus(a_rec: Tensor, a_df: Tensor, config: ScoreConfig) -> Tensor:
    """Eq. 23: the score of every pixel, smoothed as in Eq. 22, (B, H, W)."""
    return gaussian_blur(a_rec + config.alpha * a_df, config.sigma)


def gaussian_blur(maps: Tensor, sigma: float) -> Tensor:
    """Blur maps: A ⊗ k* of Eq. 22 and 23, with a Gaussian kernel that ends at 4 σ.

    Outside the image, the values of the border are repeated.

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
    with torch.autocast(maps.device.type, enabled=False):  # 16 bit would round the scores
        return F.conv2d(F.conv2d(padded, kernel), kernel.mT)[:, 0]
