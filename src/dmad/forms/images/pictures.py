"""`dmad predict` on images: verdicts as CSV; overlay, raw map and fields as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import binary_erosion
from torch import Tensor

from dmad.calibration.threshold import Calibration
from dmad.data.reading.image_files import open_image, upright
from dmad.data.tiles import blend
from dmad.drawing import pictures as visualize
from dmad.forms.video.pictures import Image, to_image, total_field
from dmad.inference.detector import Detector, Explained
from dmad.model.ppdm import Bent
from dmad.model.scoring import pixel_map_plus

FULL = 6.0  # value of the brightest grey of a raw map: the most three stages can differ

SHOWN = 1024  # longest side of an overlay in pixels

HOT = 2.0  # full colour of the heat, in thresholds

CONTOUR = (0, 220, 255)

COLUMNS = ("image", "score", "threshold", "verdict", "reconstruction", "deformation")

NO_THRESHOLD = "no threshold is set, so that nothing is called good or anomalous: dmad calibrate"

VERDICTS = {True: "anomalous", False: "good", None: ""}


@dataclass(frozen=True)
class Judged:
    """One image and what was found."""

    name: str  # of the image
    score: float  # standardised where there is a threshold, else Eq. 22
    threshold: float | None
    reconstruction: float  # first term of Eq. 22
    deformation: float  # second term before α
    map: NDArray[np.float32]  # (H, W): Eq. 23
    forward: NDArray[np.float32]  # (2, H, W) px: all forward fields in one
    backward: NDArray[np.float32]  # (2, H, W) px: all backward fields in one
    bent: tuple[Tensor, ...]  # tiles² x (3, h, w): its tiles bent forward, as the teacher sees them

    @property
    def deformed(self) -> Image:
        """The image bent forward, (H, W, 3); drawn when it is asked for."""
        return joined(np.stack([to_image(tile) for tile in self.bent]), len(self.map))

    @property
    def reach(self) -> float:
        """Length in px that 99 % of either field stay below."""
        return max(float(np.quantile(np.hypot(*w), 0.99)) for w in (self.forward, self.backward))

    @property
    def verdict(self) -> str:
        """`anomalous` or `good`; empty without a threshold."""
        return VERDICTS[None if self.threshold is None else self.score >= self.threshold]

    def row(self) -> list[str]:
        """Its line of the table, as `COLUMNS` say."""
        level = "" if self.threshold is None else f"{self.threshold:.6g}"
        terms = [f"{term:.6g}" for term in (self.reconstruction, self.deformation)]
        return [self.name, f"{self.score:.6g}", level, self.verdict, *terms]


def file_of(name: str) -> str:
    """What the pictures of an image are called."""
    return name if name.lower().endswith(".png") else f"{name}.png"


def judge_image(detector: Detector, frames: Sequence[Image], name: str) -> Judged:
    """Judge an image, given whole or as its tiles (H, W, 3) uint8."""
    calibration, score = detector.calibration, detector.config.score
    canvas = detector.config.data.canvas
    batches = list(detector.explain(frames))
    terms = np.concatenate([found.columns()[1:3] for found in batches], axis=1).max(1)
    total, level = float(terms[0] + score.alpha * terms[1]), None
    if calibration:
        total = float(calibration.scorer.combine(*terms[:, None])[0])
        level = calibration.threshold
    maps = np.concatenate([pixel_map_plus(b.scores, score).cpu().numpy() for b in batches])
    forward, backward = (
        np.stack([blend(ways[:, axis], canvas) for axis in (0, 1)])
        for ways in map(np.concatenate, zip(*map(_fields, batches), strict=True))
    )
    bent = tuple(tile for found in batches for tile in _output(found).deformed)
    first, second = map(float, terms)
    pictures = blend(maps, canvas), forward, backward, bent
    return Judged(name, total, level, first, second, *pictures)


def joined(tiles: Image, canvas: int) -> Image:
    """An image (canvas, canvas, 3) from its tiles (tiles², h, w, 3)."""
    channels = [blend(tiles[..., c], canvas) for c in range(tiles.shape[-1])]
    return np.stack(channels, -1).round().astype(np.uint8)


def _fields(found: Explained) -> list[NDArray[np.float32]]:
    """All forward fields in one, and all backward ones: (B, 2, H, W) px each."""
    output = _output(found)
    ways = (output.forward, output.backward[::-1])
    return [total_field(way, output.deformed).float().cpu().numpy() for way in ways]


def _output(found: Explained) -> Bent:
    assert isinstance(found.output, Bent)
    return found.output


def raw_level(calibration: Calibration, alpha: float) -> float:
    """The threshold in units of Eq. 22: where Eq. 23 reaches it, a place alone is enough."""
    scorer = calibration.scorer
    first, second = scorer.reconstruction, scorer.deformation
    return calibration.threshold * first.scale + first.centre + alpha * second.centre


def outline(picture: Image, inside: NDArray[np.bool_], color: tuple[int, int, int]) -> None:
    """Draw the border of a region (H, W) into a picture (H, W, 3)."""
    width = max(1, max(inside.shape) // 256)
    picture[inside & ~binary_erosion(inside, iterations=width, border_value=1)] = color


class Pictures:
    """Draws judged images, all with the same colours.

    Args:
        detector: Its threshold sets full heat and the contour; without one, the first image does.
    """

    def __init__(self, detector: Detector) -> None:
        config, calibration = detector.config, detector.calibration
        self.level = raw_level(calibration, config.score.alpha) if calibration else None
        self.heat = HOT * self.level if self.level and self.level > 0 else 0.0
        self.field = sum(config.model.displacements) or 1.0

    def write(self, path: Path, found: Judged, out: Path) -> None:
        """Overlay, raw map and fields of the image at a path."""
        with open_image(path) as opened:
            opened.draft("RGB", (2 * SHOWN, 2 * SHOWN))
            picture = upright(opened, "RGB")
        picture.thumbnail((SHOWN, SHOWN))
        name = file_of(found.name)
        visualize.save(self.overlay(np.asarray(picture), found.map), out / "overlays" / name)
        visualize.save(self.fields(found), out / "fields" / name)
        grey = (found.map / FULL).clip(0, 1) * 65535
        visualize.save(grey.round().astype(np.uint16), out / "maps" / name)

    def overlay(self, picture: Image, anomaly: NDArray[np.float32]) -> Image:
        """The picture (H, W, 3) with heat, and a contour where the map reaches the threshold."""
        self.heat = self.heat or HOT * float(anomaly.max()) or 1.0
        size = picture.shape[1::-1]
        large = np.asarray(Pillow.fromarray(anomaly).resize(size, Pillow.Resampling.BILINEAR))
        drawn = visualize.heatmap(picture, large, self.heat)
        if self.level is not None:
            outline(drawn, large >= self.level, CONTOUR)
        return drawn

    def fields(self, found: Judged) -> Image:
        """Both fields side by side: hue is the direction, saturation the length."""
        drawn = [visualize.color_wheel(way, self.field) for way in (found.forward, found.backward)]
        return np.hstack(drawn)

    def tiles(self, picture: Image, found: Judged) -> dict[str, Image]:
        """The picture (H, W, 3), its heat, and its fields, by their names."""
        forward, backward = np.hsplit(self.fields(found), 2)
        heat = self.overlay(picture, found.map)
        fields = {"forward field": forward, "backward field": backward}
        return {"input": picture, "anomaly": heat, **fields}
