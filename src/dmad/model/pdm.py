"""The PDM form of DMAD: reconstruct a prototype, bend it, lay it over the background (Eq. 3, 9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmad.config import VideoModelConfig
from dmad.model.autoencoder import Decoder, Encoder, EncoderMask, skip_modules
from dmad.model.deformation import DeformationEstimator, compose_all, warp
from dmad.model.memory import Memory, MemoryOutput


@dataclass(frozen=True)
class Drawn:
    """What is drawn of a batch. K is the number of heads."""

    reference: Tensor  # (B, C, H, W): g(PE(z_q)), the prototype before any deformation
    offsets: tuple[Tensor, ...]  # K x (B, 2, H, W) grid units: O_1 … O_K, coarse first
    reconstructions: tuple[Tensor, ...]  # K x (B, C, H, W): x̂_k of Eq. 9; one where K = 0


@dataclass(frozen=True)
class PDMOutput(Drawn):
    """Everything the model computed for a batch."""

    deformed: tuple[Tensor, ...]  # K x (B, C, H, W): x̃_k of Eq. 7; the reference where K = 0
    mask: Tensor | None  # (B, 1 or C, H, W) in [0, 1]: f_m(x), None without background
    background: Tensor | None  # (B, C, H, W): x_bg of each sample's scene
    z_e: Tensor  # (B, D, H', W'): f(x)
    memory: MemoryOutput | None  # None without memory


class PDM(nn.Module):
    """Diversity-measurable anomaly detection with the pyramid deformation module (Eq. 3, 9).

    Without heads and background it is the memory autoencoder of Eq. 1, or with full skips of Eq. 2.

    Args:
        config: The network's settings.
        size: Height and width of the images in pixels.
        channels: Channels C of an image.
        history: Frames given; 0 for single images, which are then their own input.
        scenes: Number of fixed views, each with a background template.
    """

    def __init__(
        self, config: VideoModelConfig, size: int, channels: int, history: int = 0, scenes: int = 1
    ) -> None:
        super().__init__()
        inputs = channels * max(history, 1)
        widths = config.widths
        skips = skip_modules(config.skips, widths, config.stem, config.skip_channels)
        self.channels = channels
        self.sees_target = config.estimator_sees == "target" and history > 0
        drawn = channels + (config.background and config.mask == "decoder")
        self.encoder = Encoder(inputs, widths, config.stem)
        self.decoder = Decoder(drawn, widths, skips, config.stem, config.positions)
        self.memory = Memory(config.memory_items, widths[-1]) if config.memory else None
        seen = inputs + channels * self.sees_target
        self.estimator = DeformationEstimator.of(config, seen, size)
        masked = config.background and config.mask == "encoder"
        self.mask = EncoderMask(widths, channels, config.stem) if masked else None
        template = torch.zeros(scenes, channels, size, size) if config.background else None
        self.background = None if template is None else nn.Parameter(template)

    def forward(self, x: Tensor, target: Tensor, background: Tensor | None = None) -> PDMOutput:
        """Eq. 3, 7, 9.

        Args:
            x: (B, T·C, H, W) frames in [-1, 1], oldest first; a single image where T = 1.
            target: (B, C, H, W) what the camera saw, to which the prototype is bent.
            background: (B, C, H, W) each sample's template; the first scene's where None.

        Returns:
            Reference, fields, reconstructions, mask and embedding.
        """
        features = self.encoder(x)
        memory = self.memory(features[-1]) if self.memory else None
        drawn = self.decoder(memory.decoded if memory else features[-1], features).float()
        reference = torch.tanh(drawn[:, : self.channels])
        seen = torch.cat((x, target), 1) if self.sees_target else x
        offsets = self.estimator(seen) if self.estimator else []
        composed = compose_all(offsets)
        mask = self._foreground(drawn, features)
        background = self._template(x, background)
        layers = reference if mask is None else torch.cat((reference, mask), 1)
        bent = [warp(layers, field) for field in composed] or [layers]
        return PDMOutput(
            reference,
            tuple(offsets),
            tuple(self._lay(layer, background) for layer in bent),
            tuple(layer[:, : self.channels] for layer in bent),
            mask,
            background,
            features[-1],
            memory,
        )

    def _foreground(self, drawn: Tensor, features: list[Tensor]) -> Tensor | None:
        """f_m of Eq. 9; None without background."""
        if self.background is None:
            return None
        logits = self.mask(features).float() if self.mask else drawn[:, self.channels :]
        return torch.sigmoid(logits)

    def _template(self, x: Tensor, background: Tensor | None) -> Tensor | None:
        if self.background is None or background is not None:
            return background
        return self.background[:1].expand(len(x), -1, -1, -1)

    def _lay(self, layers: Tensor, background: Tensor | None) -> Tensor:
        """Eq. 9: the deformed reference where the deformed mask is 1, the background elsewhere."""
        image, mask = layers[:, : self.channels], layers[:, self.channels :]
        if background is None or not mask.shape[1]:
            return image
        return mask * image + (1 - mask) * background
