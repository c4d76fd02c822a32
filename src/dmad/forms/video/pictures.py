"""From tensors to pictures: heat, deformation and the panels of the paper's Figs. 2 and 7."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmad.config import Config, ScoreConfig
from dmad.data.windows import to_model
from dmad.drawing import pictures as visualize
from dmad.drawing.video_writer import annotate
from dmad.inference.detector import Detector, Explained
from dmad.model.deformation import compose_all, field_in_pixels
from dmad.model.losses import squared_error
from dmad.model.pdm import Drawn
from dmad.model.scoring import average

Image = NDArray[np.uint8]

GAIN, LONGEST = 6.0, 16.0  # of arrows: pixels drawn for one, and for one of full length

READABLE = 160  # pixels of a side that a number fits in

FULL_HEAT = 3.0  # a map's full colour, as a multiple of the usual peak of its frames so far


class Limits:
    """What is drawn as full colour.

    The heat's scale is that of the highest error of an ordinary frame. Where this is not known
    beforehand, it follows the median of the frames seen so far, which needs neither labels nor the
    future.

    Args:
        config: Of the model.
        peak: Highest averaged error of an ordinary frame, where it is known beforehand.
        field: Length in pixels drawn in full colour and as the longest arrow, where it is to be
            another than the longest a field can have.
    """

    def __init__(
        self, config: Config, peak: float | None = None, field: float | None = None
    ) -> None:
        self.usual = peak
        self.kernel = config.score.kernel
        self.field = field or sum(config.model.displacements) or 1.0
        self.gain = LONGEST / field if field else GAIN
        self._peaks: list[float] = []

    @classmethod
    def of(cls, detector: Detector) -> Limits:
        """A model's: ordinary is what its threshold was set on, where it has one."""
        known = detector.calibration
        return cls(detector.config, known.scorer.reconstruction.centre if known else None)

    def heat(self, peak: float) -> float:
        """Full colour for a frame whose averaged map peaks at `peak`."""
        self._peaks = [*self._peaks[-499:], peak]
        usual = float(np.median(self._peaks)) if self.usual is None else self.usual
        return FULL_HEAT * max(usual, 1e-6)


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
    bend: float  # px: the longest deformation

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
        return f"frame {self.index}\nscore {self.score:.3f}\nbent {self.bend:.2f} px"

    def panel(self) -> Image:
        """The tiles with their titles."""
        return visualize.panel([self.tiles()], self.titles(), [self.label()])


def stage_names(count: int) -> list[str]:
    """What the K reconstructions are called, coarse first."""
    if count == 1:
        return ["reconstruction"]
    return ["coarse", *(f"stage {k}" for k in range(2, count)), "fine"]


def stages(found: Explained) -> dict[str, list[Image]]:
    """The reference of every frame, and what each deformation makes of it, by their names."""
    output = found.output
    assert isinstance(output, Drawn)
    names = ["reference", *stage_names(len(output.reconstructions))]
    batches = (output.reference, *output.reconstructions)
    return {n: [to_image(x) for x in batch] for n, batch in zip(names, batches, strict=True)}


def reference_error(found: Explained, config: ScoreConfig) -> tuple[Tensor, Tensor]:
    """The pixel-wise error of Fig. 2: squared error of the reference before any deformation.

    Args:
        found: A batch of a PDM.
        config: The kernel.

    Returns:
        Map (B, H, W), and the maximum (B,) of its average, as Eq. 14 takes it.
    """
    assert isinstance(found.output, Drawn)
    _, x = to_model(torch.from_numpy(found.frames)[:, None])
    error = squared_error(x, found.output.reference.cpu())
    return error, average(error, config.kernel).amax((1, 2))


def diversity_panel(found: Explained, config: ScoreConfig, names: Sequence[str]) -> Image:
    """The paper's Fig. 2: a row an image, and columns whose colours mean the same in all rows.

    Args:
        found: A batch of a PDM.
        config: Kernel and α.
        names: Of the rows.
    """
    scores, (error, plain) = found.scores, reference_error(found, config)
    augmented = scores.reconstruction_map + config.alpha * scores.deformation_map
    columns = {
        "input": list(found.frames),
        **stages(found),
        "diversity": compared(scores.deformation_map),
        "augmented\nerror": numbered(compared(augmented), scores.score),
        "pixel-wise\nerror": numbered(compared(error), plain),
    }
    heads = [f"{letter}) {name}" for letter, name in zip(ascii_lowercase, columns, strict=False)]
    return visualize.panel(list(zip(*columns.values(), strict=True)), heads, names)


def numbered(images: Sequence[Image], scores: Tensor) -> list[Image]:
    """Images, enlarged to be read, with their scores (B,) in white."""
    zoom = max(1, READABLE // len(images[0]))
    large = [image.repeat(zoom, 0).repeat(zoom, 1) for image in images]
    texts = [f"{score:.3f}" for score in scores.tolist()]
    return [annotate(x, [text], len(x) // 8) for x, text in zip(large, texts, strict=True)]


def compared(maps: Tensor) -> list[Image]:
    """Maps (B, H, W), 0 or more, in colours that mean the same in all: the highest is full."""
    limit = float(maps.max()) or 1.0
    return [visualize.error_image(one, limit) for one in maps.cpu().numpy()]


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
    assert isinstance(output, Drawn)
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
            visualize.arrows(frame, fields[b], limits.field, gain=limits.gain),
            visualize.color_wheel(fields[b], limits.field),
            visualize.error_image(scores.reconstruction_map[b].cpu().numpy(), 2 * limit),
            float(np.hypot(*fields[b]).max()),
        )


class Best:
    """The pictures with the highest scores, so that those of one moment are shown once.

    Args:
        size: How many at most.
        apart: Frames between any two of them at the least.
    """

    def __init__(self, size: int, apart: int = 1) -> None:
        self.size, self.apart = size, apart
        self.pictures: list[Picture] = []  # highest first

    def offer(self, picture: Picture) -> None:
        """Keep it if it is among the highest, in place of lower ones of its moment."""
        near = [p for p in self.pictures if abs(p.index - picture.index) < self.apart]
        if any(p.score > picture.score for p in near):
            return
        kept = [p for p in self.pictures if all(p is not other for other in near)]
        ranked = sorted([*kept, picture], key=lambda p: (p.score, p.index), reverse=True)
        self.pictures = ranked[: self.size]
