"""From tensors to pictures: heat, deformation and the panel of the paper's Fig. 7."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmad import visualize
from dmad.config import Config
from dmad.inference.detector import Explained
from dmad.nn.deformation import compose_all, field_in_pixels
from dmad.nn.pdm import PDMOutput
from dmad.scoring import average

Image = NDArray[np.uint8]
FULL_HEAT = 3.0  # a map's full colour, as a multiple of the usual peak of its frames so far


class Limits:
    """What is drawn as full colour, the same for all frames of a clip.

    The heat's scale follows the highest error of ordinary frames seen so far (their median), so
    that it needs neither labels nor the future.
    """

    def __init__(self, config: Config) -> None:
        self.kernel = config.score.kernel
        self.field = sum(config.model.displacements) or 1.0
        self._peaks: list[float] = []

    def heat(self, peak: float) -> float:
        """Full colour for a frame whose averaged map peaks at `peak`."""
        self._peaks = [*self._peaks[-499:], peak]
        return FULL_HEAT * max(float(np.median(self._peaks)), 1e-6)


@dataclass(frozen=True)
class Picture:
    """One judged frame, drawn."""

    index: int
    score: float
    frame: Image  # (H, W, C)
    reference: Image  # (H, W, C) the prototype
    stages: tuple[Image, ...]  # K x (H, W, C): after each deformation, over the background
    heat: Image  # (H, W, 3): frame with the averaged error
    arrows: Image  # (H, W, 3): frame with the deformation's arrows
    wheel: Image  # (H, W, 3): the deformation's direction and length as colour
    error: Image  # (H, W, 3): the error map

    def titles(self) -> list[str]:
        """What the tiles are."""
        stages = stage_names(len(self.stages))
        return ["input", "reference", *stages, "deformation", "arrows", "error", "heat"]

    def tiles(self) -> list[Image]:
        """One row of the paper's Fig. 7."""
        shown = [self.frame, self.reference, *self.stages]
        return [*shown, self.wheel, self.arrows, self.error, self.heat]

    def label(self) -> str:
        """Which frame, and its score."""
        return f"frame {self.index}\nscore {self.score:.3f}"

    def panel(self) -> Image:
        """The tiles with their titles."""
        return visualize.panel([self.tiles()], self.titles(), [self.label()])


def stage_names(count: int) -> list[str]:
    """What the K reconstructions are called, coarse first."""
    if count == 1:
        return ["reconstruction"]
    return ["coarse", *(f"stage {k}" for k in range(2, count)), "fine"]


def to_image(x: Tensor) -> Image:
    """(C, H, W) in [-1, 1] to (H, W, C) uint8."""
    scaled = x.add(1).mul(127.5).round().clamp(0, 255).byte()
    image: Image = scaled.permute(1, 2, 0).cpu().numpy()
    return image


def total_field(offsets: tuple[Tensor, ...], like: Tensor) -> Tensor:
    """All deformations in one, (B, 2, H, W) in pixels; zero where there are none."""
    if not offsets:
        return torch.zeros_like(like[:, :1]).expand(-1, 2, -1, -1)
    return field_in_pixels(compose_all(offsets)[-1])


def pictures(found: Explained, limits: Limits) -> Iterator[Picture]:
    """Draw every frame of a batch."""
    output, scores = found.output, found.scores
    assert isinstance(output, PDMOutput)
    smooth = average(scores.reconstruction_map, limits.kernel)
    fields = total_field(output.offsets, output.reference).cpu().numpy()
    for b, frame in enumerate(found.frames):
        limit = limits.heat(float(smooth[b].max()))
        yield Picture(
            int(found.index[b]),
            float(scores.score[b]),
            frame,
            to_image(output.reference[b]),
            tuple(to_image(stage[b]) for stage in output.reconstructions),
            visualize.heatmap(frame, smooth[b].cpu().numpy(), limit),
            visualize.arrows(frame, fields[b], limits.field),
            visualize.color_wheel(fields[b], limits.field),
            visualize.error_image(scores.reconstruction_map[b].cpu().numpy(), 2 * limit),
        )
