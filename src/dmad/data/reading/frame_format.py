"""The size and colours of the frames that a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from dmad.config import DataConfig
from dmad.data.reading.pixel_values import ValueRange

MEGAPIXELS = DataConfig.megapixels  # largest number of pixels of an image by default, in millions

Frame = NDArray[np.uint8]  # (H, W, C), 0 to 255
Frames = NDArray[np.uint8]  # (N, H, W, C), 0 to 255


@dataclass(frozen=True)
class FrameFormat:
    """How frames are resized and stored.

    Args:
        size: Height and width in pixels.
        channels: 1 for grey, 3 for colour.
        antialias: Resize with antialiasing. A single image file is always resized with it.
        tiles: Cut a single image file into tiles x tiles frames. Other sources ignore it.
        values: Which values become black and white, in images with more than 8 bits. None: chosen
            from the values of each image.
        megapixels: Largest number of pixels of an image file, in millions.
        page: Index of the image to read from a file that contains several images.
    """

    size: int
    channels: int = 3
    antialias: bool = True
    tiles: int = 1
    values: ValueRange | None = None
    megapixels: float = MEGAPIXELS
    page: int = 0

    @classmethod
    def from_settings(cls, data: DataConfig) -> Self:
        """The format that a model with these settings takes."""
        values = ValueRange(data.black, data.white) if data.white > data.black else None
        return cls(data.size, data.channels, data.antialias, data.tiles, values, data.megapixels)

    @property
    def image_mode(self) -> Literal["L", "RGB"]:
        """Pillow's name for the colours of the frames."""
        return "L" if self.channels == 1 else "RGB"

    @property
    def pixel_format(self) -> Literal["gray", "rgb24"]:
        """FFmpeg's name for the colours of the frames."""
        return "gray" if self.channels == 1 else "rgb24"
