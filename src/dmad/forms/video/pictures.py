"""Pictures of scored frames: heat, deformation, and the panels of the paper's Figs. 2 and 7."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmad.config import VideoConfig, VideoScoreConfig
from dmad.data.footage import Clip, Footage
from dmad.data.windows import to_model
from dmad.drawing import pictures as drawing
from dmad.drawing.video_writer import annotate
from dmad.inference.detector import Detector
from dmad.inference.result import JudgedFrames
from dmad.model.deformation import compose_all, field_in_pixels
from dmad.model.losses import squared_error
from dmad.model.scoring import box_filter

Image = NDArray[np.uint8]
ARROW_GAIN = 6.0  # arrows are drawn this many times as long as the field
LONGEST_ARROW = 16.0  # px, if the length of the longest field is given
READABLE = 160  # smallest side in px in which a number is readable
FULL_HEAT = 3.0  # this many times the usual peak of a frame is drawn in full colour
RECENT_PEAKS = 500  # frames from which the usual peak is estimated


class ColourScale:
    """The values that are drawn in full colour.

    Heat is scaled by the peak error of a usual frame. If this peak is not given, it is the median
    peak of the frames so far. So the scale needs no labels and no future frames.

    Args:
        config: The settings of the model.
        usual_peak: Peak of the averaged error of a usual frame, if known.
        longest_field: Length in pixels that is drawn in full colour and as the longest arrow. None:
            the largest length that a field can have.
    """

    def __init__(
        self,
        config: VideoConfig,
        usual_peak: float | None = None,
        longest_field: float | None = None,
    ) -> None:
        self.usual_peak = usual_peak
        self.kernel = config.score.kernel
        self.longest_field = longest_field or sum(config.model.displacements) or 1.0
        self.arrow_gain = LONGEST_ARROW / longest_field if longest_field else ARROW_GAIN
        self._recent_peaks: deque[float] = deque(maxlen=RECENT_PEAKS)

    @classmethod
    def from_detector(cls, detector: Detector) -> ColourScale:
        """Return the scale of a model. Frames that its threshold was set on are usual frames."""
        calibration = detector.calibration
        peak = calibration.scorer.reconstruction.centre if calibration else None
        return cls(detector.config, peak)

    def full_heat(self, peak: float) -> float:
        """Return the value drawn in full colour, for a frame whose averaged map has this peak."""
        self._recent_peaks.append(peak)
        usual = self.usual_peak
        if usual is None:
            usual = float(np.median(self._recent_peaks))
        return FULL_HEAT * max(usual, 1e-6)


@dataclass(frozen=True)
class Picture:
    """One scored frame and its pictures."""

    index: int
    score: float
    frame: Image  # (H, W, C)
    reference: Image  # (H, W, C): the prototype
    stages: tuple[Image, ...]  # K x (H, W, C): after each deformation, over the background
    heat: Image  # (H, W, 3): frame with the averaged error
    arrows: Image  # (H, W, 3): frame with the deformation as arrows
    wheel: Image  # (H, W, 3): direction and length of the deformation as colour
    error: Image  # (H, W, 3): the error map
    bend: float  # px: the longest deformation

    def titles(self) -> list[str]:
        """The titles of the tiles."""
        stages = stage_names(len(self.stages))
        return ["input", "reference", *stages, "deformation", "arrows", "error", "heat"]

    def tiles(self) -> list[Image]:
        """One row of the paper's Fig. 7."""
        drawn = [self.wheel, self.arrows, self.error, self.heat]
        return [self.frame, self.reference, *self.stages, *drawn]

    def label(self) -> str:
        """The number of the frame, its score and its longest deformation."""
        return f"frame {self.index}\nscore {self.score:.3f}\nbent {self.bend:.2f} px"

    def panel(self) -> Image:
        """The tiles with their titles."""
        return drawing.panel([self.tiles()], self.titles(), [self.label()])


def stage_names(count: int) -> list[str]:
    """The names of the K reconstructions, coarse first."""
    if count == 1:
        return ["reconstruction"]
    return ["coarse", *(f"stage {k}" for k in range(2, count)), "fine"]


def stages(judged: JudgedFrames) -> dict[str, list[Image]]:
    """Return the reference of every frame and the result of each deformation, by their names."""
    reconstructions = judged.drawings["reconstructions"]
    found = {"reference": [to_image(one) for one in judged.drawings["reference"]]}
    for k, name in enumerate(stage_names(reconstructions.shape[1])):
        found[name] = [to_image(one) for one in reconstructions[:, k]]
    return found


def to_image(x: np.ndarray) -> Image:
    """Convert (C, H, W) in [-1, 1] to (H, W, C) uint8."""
    scaled = ((x + 1) * 127.5).round().clip(0, 255)
    return np.asarray(scaled.transpose(1, 2, 0), np.uint8)


def total_fields(offsets: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    """Compose all deformation fields into one.

    Args:
        offsets: Fields (B, K, 2, H, W) in grid units, in the order in which they are applied; None
            without heads.
        like: (B, C, H, W), for the shape of the result.

    Returns:
        (B, 2, H, W) in pixels; zero without heads.
    """
    if offsets is None:
        return np.zeros((len(like), 2, *like.shape[2:]), np.float32)
    fields = torch.from_numpy(offsets).float().unbind(1)
    total: np.ndarray = field_in_pixels(compose_all(fields)[-1]).numpy()
    return total


def pictures(judged: JudgedFrames, scale: ColourScale) -> Iterator[Picture]:
    """Draw every frame of a batch."""
    drawings = judged.drawings
    smooth = box_filter(torch.from_numpy(judged.reconstruction_map), scale.kernel).numpy()
    fields = total_fields(drawings.get("offsets"), drawings["reference"])
    for b, frame in enumerate(judged.frames):
        full = scale.full_heat(float(smooth[b].max()))
        field = fields[b]
        yield Picture(
            index=int(judged.index[b]),
            score=float(judged.score[b]),
            frame=frame,
            reference=to_image(drawings["reference"][b]),
            stages=tuple(to_image(stage) for stage in drawings["reconstructions"][b]),
            heat=drawing.heatmap(frame, smooth[b], full),
            arrows=drawing.arrows(frame, field, scale.longest_field, gain=scale.arrow_gain),
            wheel=drawing.color_wheel(field, scale.longest_field),
            error=drawing.error_image(judged.reconstruction_map[b], 2 * full),
            bend=float(np.hypot(*field).max()),
        )


def picture_of_frame(
    detector: Detector, footage: Footage, clip: Clip, frame: int, scale: ColourScale
) -> Picture:
    """Score one frame of some footage and draw it. Its index counts from the start of the clip.

    Args:
        detector: The model.
        footage: The footage.
        clip: The clip that the frame belongs to.
        frame: Index of the frame in `footage.frames`.
        scale: The values drawn in full colour.
    """
    first = max(clip.start, frame - detector.config.data.history)
    if detector.needs_template(clip.scene):  # the template needs all frames before this one
        first = clip.start
    window = footage.frames[first : frame + 1]
    (judged,) = deque(detector.judge(window, clip.scene), maxlen=1)
    *_, picture = pictures(judged, scale)
    return replace(picture, index=frame - clip.start)


class HighestPictures:
    """Keeps the pictures with the highest scores. They are at least `apart` frames apart.

    Args:
        size: Largest number of pictures.
        apart: Smallest distance between two pictures in frames.
    """

    def __init__(self, size: int, apart: int = 1) -> None:
        self.size, self.apart = size, apart
        self.pictures: list[Picture] = []  # highest first

    def offer(self, picture: Picture) -> None:
        """Keep a picture if its score is among the highest.

        It replaces pictures with lower scores that are nearer than `apart`.
        """
        near = [p for p in self.pictures if abs(p.index - picture.index) < self.apart]
        if any(p.score > picture.score for p in near):
            return
        kept = [p for p in self.pictures if all(p is not other for other in near)]
        ranked = sorted([*kept, picture], key=lambda p: (p.score, p.index), reverse=True)
        self.pictures = ranked[: self.size]


def reference_error(judged: JudgedFrames, config: VideoScoreConfig) -> tuple[Tensor, Tensor]:
    """Compute the pixel-wise error of Fig. 2: the squared error of the reference.

    Args:
        judged: A batch.
        config: The settings with the averaging kernel.

    Returns:
        Map (B, H, W), and the maximum (B,) of its average, as in Eq. 14.
    """
    _, x = to_model(torch.from_numpy(judged.frames)[:, None])
    error = squared_error(x, torch.from_numpy(judged.drawings["reference"]))
    return error, box_filter(error, config.kernel).amax((1, 2))


def diversity_panel(judged: JudgedFrames, config: VideoScoreConfig, names: Sequence[str]) -> Image:
    """Draw the paper's Fig. 2, one row for each image. Each column has one colour scale.

    Args:
        judged: A batch.
        config: The settings with kernel and α.
        names: The names of the rows.
    """
    error, plain = reference_error(judged, config)
    augmented = judged.reconstruction_map + config.alpha * judged.deformation_map
    columns: Mapping[str, Sequence[Image]] = {
        "input": list(judged.frames),
        **stages(judged),
        "diversity": same_scale(judged.deformation_map),
        "augmented\nerror": with_scores(same_scale(augmented), judged.score),
        "pixel-wise\nerror": with_scores(same_scale(error.numpy()), plain.numpy()),
    }
    heads = [f"{letter}) {name}" for letter, name in zip(ascii_lowercase, columns, strict=False)]
    return drawing.panel(list(zip(*columns.values(), strict=True)), heads, names)


def with_scores(images: Sequence[Image], scores: np.ndarray) -> list[Image]:
    """Write scores (B,) on images. Small images are enlarged first."""
    zoom = max(1, READABLE // len(images[0]))
    found = []
    for image, score in zip(images, scores.tolist(), strict=True):
        large = image.repeat(zoom, 0).repeat(zoom, 1)
        found.append(annotate(large, [f"{score:.3f}"], len(large) // 8))
    return found


def same_scale(maps: np.ndarray) -> list[Image]:
    """Draw maps (B, H, W), 0 or more, on one colour scale that ends at the highest value."""
    limit = float(maps.max()) or 1.0
    return [drawing.error_image(one, limit) for one in maps]
