"""The PDM form of DMAD: reconstruct a prototype, deform it, and put it over the background."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmad.config import VideoModelConfig
from dmad.model.autoencoder import Decoder, Encoder, EncoderMask, skip_modules
from dmad.model.coordinates import Place
from dmad.model.deformation import DeformationEstimator, compose_all, warp
from dmad.model.memory import Memory, MemoryOutput


@dataclass(frozen=True, eq=False)
class PDMOutput:
    """All that the model computed for a batch. K is the number of heads."""

    reference: Tensor  # (B, C, H, W): g(PE(z_q)), the prototype before any deformation
    offsets: tuple[Tensor, ...]  # K x (B, 2, H, W) grid units: O_1 … O_K, coarse first
    reconstructions: tuple[Tensor, ...]  # K x (B, C, H, W): x̂_k of Eq. 9; one image if K = 0
    deformed: tuple[Tensor, ...]  # K x (B, C, H, W): x̃_k of Eq. 7; only the reference if K = 0
    mask: Tensor | None  # (B, 1 or C, H, W) in [0, 1]: f_m(x); None without background
    mask_probability: Tensor | None  # as the mask, but never rounded to 0 or 1
    background: Tensor | None  # (B, C, H, W): x_bg, the template of each sample's view, or None
    z_e: Tensor  # (B, D, H', W'): f(x)
    memory: MemoryOutput | None  # None without memory


class PDM(nn.Module):
    """Diversity-measurable anomaly detection with the pyramid deformation module (Eq. 3, 9).

    Without heads, background and skip connections, it is the memory autoencoder of Eq. 1. Without
    heads and background, but with full skip connections, it is the model of Eq. 2.

    Args:
        config: The settings of the network.
        size: Height and width of the images in pixels.
        channels: Channels C of an image.
        history: Number of past frames. 0: the network reconstructs single images.
        scenes: Number of fixed views. Each has its own background template.
    """

    def __init__(
        self, config: VideoModelConfig, size: int, channels: int, history: int = 0, scenes: int = 1
    ) -> None:
        super().__init__()
        widths, stem = config.widths, config.stem
        inputs = channels * max(history, 1)
        mask_source = config.mask if config.background else None
        self.rounds_mask = config.binary_mask
        mask_channels = 1 if config.binary_mask else channels
        decoded = channels + 1 if mask_source == "decoder" else channels
        skips = skip_modules(config.skips, widths, stem, config.skip_channels)
        self.channels = channels
        self.sees_target = config.estimator_sees == "target" and history > 0
        self.encoder = Encoder(inputs, widths, stem)
        self.decoder = Decoder(decoded, widths, skips, stem, config.positions, config.upsampling)
        self.memory = Memory(config.memory_items, widths[-1]) if config.memory else None
        seen = inputs + channels if self.sees_target else inputs
        self.estimator = DeformationEstimator.from_config(config, seen)
        self.mask: EncoderMask | None = None
        if mask_source == "encoder":
            self.mask = EncoderMask(widths, mask_channels, stem, config.upsampling)
        self.background: nn.Parameter | None = None
        if config.background:
            self.background = nn.Parameter(torch.zeros(scenes, channels, size, size))

    def forward(
        self,
        x: Tensor,
        target: Tensor,
        background: Tensor | None = None,
        place: Place | None = None,
    ) -> PDMOutput:
        """Reconstruct the prototype, deform it, and put it over the background (Eq. 3, 7, 9).

        Args:
            x: (B, T·C, H, W), frames in [-1, 1], oldest first. T = 1 for single images.
            target: (B, C, H, W), the frame that the deformed prototype should match.
            background: (B, C, H, W), the template of each sample's view. None: the template of the
                first view.
            place: If x and target are crops: where they lie in the whole frames. None: x and target
                are whole frames.
        """
        features = self.encoder(x)
        z_e = features[-1]
        memory = self.memory(z_e) if self.memory else None
        decoded = self.decoder(memory.decoded if memory else z_e, features, place).float()
        reference = torch.tanh(decoded[:, : self.channels])
        seen = torch.cat((x, target), 1) if self.sees_target else x
        offsets = self.estimator(seen, place) if self.estimator else []
        probability = self._mask_probability(decoded, features)
        background = self._background_of(x, background)
        layers = reference if probability is None else torch.cat((reference, probability), 1)
        deformed = [warp(layers, field) for field in compose_all(offsets)] or [layers]
        return PDMOutput(
            reference=reference,
            offsets=tuple(offsets),
            reconstructions=tuple(self._over_background(one, background) for one in deformed),
            deformed=tuple(one[:, : self.channels] for one in deformed),
            mask=None if probability is None else self._rounded(probability),
            mask_probability=probability,
            background=background,
            z_e=z_e,
            memory=memory,
        )

    def _mask_probability(self, decoded: Tensor, features: list[Tensor]) -> Tensor | None:
        """Return f_m(x) of Eq. 9 before rounding: the mask, with values between 0 and 1.

        None if the model has no background.
        """
        if self.background is None:
            return None
        logits = self.mask(features).float() if self.mask else decoded[:, self.channels :]
        return torch.sigmoid(logits)

    def _rounded(self, probability: Tensor) -> Tensor:
        return round_mask(probability) if self.rounds_mask else probability

    def _background_of(self, x: Tensor, background: Tensor | None) -> Tensor | None:
        if self.background is None or background is not None:
            return background
        return self.background[:1].expand(len(x), -1, -1, -1)

    def _over_background(self, layers: Tensor, background: Tensor | None) -> Tensor:
        """Eq. 9: the deformed reference where the deformed mask is 1, the background where it is 0.

        A binary mask is rounded after the deformation. If the mask were rounded before, a shift by
        half a pixel would give it values between 0 and 1 again.
        """
        image, probability = layers[:, : self.channels], layers[:, self.channels :]
        if background is None or not probability.shape[1]:
            return image
        return over_background(image, self._rounded(probability), background)


def over_background(image: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """Eq. 9: the image where the mask is 1, the background where it is 0, (B, C, H, W)."""
    return mask * image + (1 - mask) * background


def round_mask(probability: Tensor) -> Tensor:
    """Return 1 where the probability is above 0.5, else 0.

    The gradient goes to the probability as if nothing was rounded (straight-through).
    """
    binary = (probability > 0.5).to(probability.dtype)
    return binary + (probability - probability.detach())


def visible_reference(output: PDMOutput) -> Tensor:
    """Return the part of the reference that the mask selects, over the background (B, C, H, W).

    Where a binary mask is 0, the reference has no effect and can have any value.
    """
    if output.mask is None or output.background is None:
        return output.reference
    return over_background(output.reference, output.mask, output.background)
