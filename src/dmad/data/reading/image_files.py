"""An image file as pixels: opened however large, upright, of 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dmad.errors import require

Frames = NDArray[np.uint8]


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """An image file, however large."""
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def upright(image: Image.Image, mode: str) -> Image.Image:
    """An image as `mode` L or RGB, turned as its EXIF says, black where it is transparent.

    Of more than 8 bits the highest 8 are kept: of 12 where no value needs more, else of 16.
    """
    require(image.mode != "F", "its pixels are fractions; save it with 8 or 16 bits")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # which Pillow would clip
        values = np.asarray(image).astype(np.int64)
        top = values.max()
        spare = 0 if top < 2**8 else 4 if top < 2**12 else 8
        image = Image.fromarray((values >> spare).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "black"), seen)
    return image.convert(mode)


def sampled(image: Image.Image, size: int) -> Frames:
    """Resize without antialiasing, as the released loaders do: (size, size, C).

    Each pixel is interpolated between the four nearest, so that thin things stay sharp.
    """
    across, down = image.width / size, image.height / size
    small = image.transform(
        (size, size),
        Image.Transform.AFFINE,
        (across, 0, 0, 0, down, 0),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(small).reshape(size, size, -1)
