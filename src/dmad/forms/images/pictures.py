"""Score one image, whole or in tiles, and draw its overlay, its raw map and its fields.

The overlay is the image with its heat map over it. The raw map contains the scores of all pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import binary_erosion

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.image_files import open_image, upright
from dmad.data.tiles import blend
from dmad.data.zones import ALL
from dmad.drawing import pictures as drawing
from dmad.errors import require
from dmad.form import Explanation, ToExplain
from dmad.forms.video.pictures import Image, to_image, total_fields, true_size
from dmad.inference.detector import Detector

FULL_MAP = 6.0  # score that is white in a raw map: 2, the largest distance, in three stages
OVERLAY_SIDE = 1024  # longest side of an overlay in pixels
FULL_HEAT = 2.0  # this many times the threshold is drawn in full colour
CONTOUR = (0, 220, 255)
Verdict = Literal["good", "anomalous", ""]


@dataclass(frozen=True, eq=False)
class JudgedImage:
    """The scores, the map and the fields of one image."""

    name: str
    raw: float  # Eq. 22
    calibrated: float | None  # to compare with the threshold; None without a threshold
    threshold: float | None
    reconstruction: float  # first term of Eq. 22
    deformation: float  # second term of Eq. 22, without α
    map: NDArray[np.float32]  # (H, W): Eq. 23
    forward: NDArray[np.float32]  # (2, H, W) px: all forward fields composed
    backward: NDArray[np.float32]  # (2, H, W) px: all backward fields composed
    deformed_tiles: NDArray[np.float32]  # (tiles², 3, h, w): input of the teacher, in [-1, 1]

    @property
    def score(self) -> float:
        """The calibrated score if a threshold was set, else the raw one."""
        return self.raw if self.calibrated is None else self.calibrated

    @property
    def verdict(self) -> Verdict:
        """`anomalous` or `good`; empty without a threshold."""
        if self.threshold is None:
            return ""
        return "anomalous" if self.score >= self.threshold else "good"

    @property
    def deformed(self) -> Image:
        """The image after the forward deformation, (H, W, 3)."""
        return join_tiles(np.stack([to_image(tile) for tile in self.deformed_tiles]), len(self.map))

    @property
    def reach(self) -> float:
        """The length in px that 99 % of the vectors of each field do not exceed."""
        fields = (self.forward, self.backward)
        return max(float(np.quantile(np.hypot(*field), 0.99)) for field in fields)


def judge_image(detector: Detector, frames: Sequence[Image], name: str) -> JudgedImage:
    """Score an image. Its terms are the highest terms of its tiles.

    Args:
        detector: A model of images.
        frames: The image, or its tiles row by row, (H, W, 3) uint8 each.
        name: The name of the image.
    """
    calibration, score = detector.calibration, detector.config.score
    canvas = detector.config.data.canvas
    zone = calibration.zone if calibration else ALL
    batches = [detector.inside(zone, judged) for judged in detector.judge(frames)]
    reconstruction = max(float(judged.reconstruction.max()) for judged in batches)
    deformation = max(float(judged.deformation.max()) for judged in batches)
    calibrated = None
    if calibration:
        terms = (np.array([reconstruction]), np.array([deformation]))
        calibrated = float(calibration.score(*terms)[0])
    maps = np.concatenate([detector.pixel_scores(judged) for judged in batches])
    deformed = np.concatenate([judged.drawings["deformed"] for judged in batches])
    forward, backward = (
        np.concatenate([_total_fields(judged.drawings, way) for judged in batches])
        for way in ("forward", "backward")
    )
    return JudgedImage(
        name=name,
        raw=reconstruction + score.alpha * deformation,
        calibrated=calibrated,
        threshold=calibration.threshold if calibration else None,
        reconstruction=reconstruction,
        deformation=deformation,
        map=blend(maps, canvas),
        forward=_blend_field(forward, canvas),
        backward=_blend_field(backward, canvas),
        deformed_tiles=deformed,
    )


def _total_fields(drawings: Mapping[str, np.ndarray], way: str) -> np.ndarray:
    """Compose all forward, or all backward, fields into one, (B, 2, H, W) in pixels."""
    fields = drawings.get(way)
    if fields is not None and way == "backward":
        fields = np.ascontiguousarray(fields[:, ::-1])  # the last forward field is undone first
    return total_fields(fields, drawings["deformed"])


def _blend_field(tiles: np.ndarray, canvas: int) -> np.ndarray:
    return np.stack([blend(tiles[:, axis], canvas) for axis in (0, 1)])


def join_tiles(tiles: Image, canvas: int) -> Image:
    """Put an image (canvas, canvas, 3) together from its tiles (tiles², h, w, 3)."""
    channels = [blend(tiles[..., c], canvas) for c in range(tiles.shape[-1])]
    return np.stack(channels, -1).round().astype(np.uint8)


def draw_outline(picture: Image, inside: NDArray[np.bool_], color: tuple[int, int, int]) -> None:
    """Draw the border of a region (H, W) into a picture (H, W, 3)."""
    width = max(1, max(inside.shape) // 256)
    picture[inside & ~binary_erosion(inside, iterations=width, border_value=1)] = color


class ImagePictures:
    """Draws pictures of scored images, all with the same colour scale.

    Args:
        detector: The model. Its threshold sets the colours of the heat maps, and the contour.
            Pixels with a score below the highest pixel score of a usual good image get no colour.
            Without a threshold, the colours begin at score 0, and the first image that is drawn
            sets the colour scale.
    """

    def __init__(self, detector: Detector) -> None:
        config, calibration = detector.config, detector.calibration
        self.format = FrameFormat.from_settings(config.data)
        self.threshold, self.usual, self.full_heat = None, 0.0, 0.0
        if calibration:
            self.threshold = calibration.scorer.raw(calibration.threshold)
            self.usual = calibration.scorer.raw(0.0)  # its calibrated score is 0
            self.full_heat = FULL_HEAT * max(self.threshold - self.usual, 0.0)
        self.deforms = detector.config.deforms
        self.longest_field = sum(config.model.displacements) or 1.0

    def write(self, path: Path, judged: JudgedImage, out: Path, page: int = 0) -> None:
        """Write the overlay, the raw map and, if the model deforms images, the fields of an image.

        Args:
            path: The image.
            page: Index of the image in a file with several images.
            judged: The result of the image.
            out: The folder that holds `overlays`, `maps` and `fields`.
        """
        with open_image(path, page, self.format.megapixels) as opened:
            opened.draft("RGB", (2 * OVERLAY_SIDE, 2 * OVERLAY_SIDE))
            picture = upright(opened, "RGB", self.format.values)
        picture.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
        name = picture_name(judged.name)
        drawing.save_png(self.overlay(np.asarray(picture), judged.map), out / "overlays" / name)
        if self.deforms:
            drawing.save_png(self.fields(judged), out / "fields" / name)
        grey = (judged.map / FULL_MAP).clip(0, 1) * 65535
        drawing.save_png(grey.round().astype(np.uint16), out / "maps" / name)

    def overlay(self, picture: Image, scores: NDArray[np.float32]) -> Image:
        """Draw a heat map over the picture (H, W, 3), and a contour at the threshold."""
        if not self.full_heat:
            self.full_heat = FULL_HEAT * max(float(scores.max()) - self.usual, 0.0) or 1.0
        size = picture.shape[1::-1]
        large = np.asarray(Pillow.fromarray(scores).resize(size, Pillow.Resampling.BILINEAR))
        drawn = drawing.heatmap(picture, large - self.usual, self.full_heat)
        if self.threshold is not None:
            draw_outline(drawn, large >= self.threshold, CONTOUR)
        return drawn

    def fields(self, judged: JudgedImage) -> Image:
        """Draw the forward and the backward field. Hue is the direction, saturation the length.

        A vector of a field says from where a feature is taken. So the features move in the opposite
        direction, which is the one that is drawn.
        """
        fields = (judged.forward, judged.backward)
        return np.hstack([drawing.color_wheel(-field, self.longest_field) for field in fields])

    def tiles(self, picture: Image, judged: JudgedImage) -> dict[str, Image]:
        """Return the picture (H, W, 3), and the picture with its heat map, by their titles.

        If the model deforms images, both fields are returned too.
        """
        drawn = {"input": picture, "anomaly": self.overlay(picture, judged.map)}
        if self.deforms:
            fields = np.hsplit(self.fields(judged), 2)
            drawn |= dict(zip(("forward field", "backward field"), fields, strict=True))
        return drawn


def explain(detector: Detector, given: ToExplain) -> Explanation:
    """Score one image, and return its map and pictures.

    Raises:
        DmadError: There are more or fewer frames than an image has tiles.
    """
    data = detector.config.data
    require(
        len(given.frames) == data.tiles**2,
        f"{len(given.frames)} tiles are given, and an image has {data.tiles**2}; give files, "
        "Pillow images or arrays (H, W, C) instead of tiles",
    )
    judged = judge_image(detector, list(given.frames), "")
    tiles = ImagePictures(detector).tiles(join_tiles(given.frames, data.canvas), judged)
    size = true_size(data.canvas, given.aspect)
    return Explanation(
        judged.map, {name: drawing.resized(one, *size) for name, one in tiles.items()}
    )


def picture_name(name: str) -> str:
    """Return the file name of the pictures of an image."""
    return name if name.lower().endswith(".png") else f"{name}.png"
