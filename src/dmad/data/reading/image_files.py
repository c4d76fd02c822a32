"""Opens image files, turns them upright, converts 16-bit and transparent images, and resizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dmad.data.reading.frame_format import Frame
from dmad.errors import DmadError, require

MOST_PIXELS = 1_000_000_000  # of one image; a larger image would need more than 3 GB of memory
ORIENTATION = 0x0112  # the EXIF tag
ORIENTATIONS_ON_THE_SIDE = (5, 6, 7, 8)  # values of the tag that swap width and height


def allow_large_images() -> None:
    """Replace Pillow's limit of 179 million pixels by `MOST_PIXELS`, for the whole process.

    Only the command line calls this. A program that uses this package sets
    `PIL.Image.MAX_IMAGE_PIXELS` itself.
    """
    Image.MAX_IMAGE_PIXELS = None


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file. Its pixels are not decoded yet.

    Raises:
        DmadError: The image has more pixels than `MOST_PIXELS`, or than Pillow allows.
        OSError: The file is not an image. Pillow raises other errors too.
    """
    try:
        opened = Image.open(path)
    except Image.DecompressionBombError as error:
        raise DmadError(
            "too large for Pillow: raise PIL.Image.MAX_IMAGE_PIXELS or give smaller images"
        ) from error
    with opened as image:
        require(
            image.width * image.height <= MOST_PIXELS,
            f"{image.width} x {image.height} pixels are too many; give smaller images",
        )
        yield image


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image after it is turned upright."""
    with open_image(path) as image:
        on_its_side = image.getexif().get(ORIENTATION) in ORIENTATIONS_ON_THE_SIDE
        return image.size[::-1] if on_its_side else image.size


def upright(image: Image.Image, mode: str) -> Image.Image:
    """Convert an image to 8 bits, turn it by its EXIF data, and make transparent pixels black.

    A 16-bit image keeps its highest 8 bits: bits 8 to 15, or bits 4 to 11 if all values fit in 12
    bits. If all values fit in 8 bits, they are not changed.

    Args:
        image: The image, as `open_image` gives it.
        mode: `L` for grey, `RGB` for colour.

    Raises:
        DmadError: The pixels are floating-point numbers.
    """
    require(image.mode != "F", "its pixels are floating-point numbers; save it with 8 or 16 bits")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colours.size, "black"), colours)
    return image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Shift values to 8 bits. Pillow would clip 16-bit values at 255."""
    values = np.asarray(image).astype(np.int64)
    largest = values.max()
    if largest < 2**8:
        surplus = 0
    elif largest < 2**12:
        surplus = 4
    else:
        surplus = 8
    return Image.fromarray((values >> surplus).clip(0, 255).astype(np.uint8))


def resize_without_antialiasing(image: Image.Image, size: int) -> Frame:
    """Resize to (size, size, C) as the data loaders in the authors' code do.

    Each pixel is interpolated between the four nearest pixels, so thin objects stay sharp.
    """
    x_scale, y_scale = image.width / size, image.height / size
    resized = image.transform(
        (size, size),
        Image.Transform.AFFINE,
        (x_scale, 0, 0, 0, y_scale, 0),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(resized).reshape(size, size, -1)
