"""Images of many kinds: three marked areas keep the order of their brightness, or one line refuses.

Each image is made by Pillow or tifffile. Of three squares one is darker than the ground and two are
brighter, by different amounts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.image_files import SMALLEST, page_indices, read_frames
from dmad.errors import DmadError

SIZE = 64  # pixels of a frame
LEVELS = (0.3, 0.2, 0.5, 0.7)  # brightness of the ground and of the three squares
CORNERS = ((0.1, 0.1), (0.1, 0.7), (0.7, 0.1))  # top and left of each square, as shares
SIDE = 0.2  # of a square, as a share


@dataclass(frozen=True)
class Drawing:
    """What an image file shows: shares of white (H, W) in [0, 1], after it is turned upright."""

    pixels: np.ndarray
    orientation: int

    @property
    def stored(self) -> np.ndarray:
        """The pixels as a file with this orientation stores them."""
        return stored_for(self.orientation, self.pixels)


def stored_for(orientation: int, pixels: np.ndarray) -> np.ndarray:
    """Turn pixels so that a reader that follows the EXIF tag shows them upright."""
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(turns[orientation](pixels))


def draw(rng: random.Random) -> Drawing:
    side = rng.choice((1, 5, 8, 16, 64, 200, 1000, 3000))
    width = max(1, int(side * rng.choice((0.4, 1, 1, 1.6))))
    rows, columns = np.mgrid[:side, :width]
    pixels = np.full((side, width), LEVELS[0])
    for (top, left), level in zip(CORNERS, LEVELS[1:], strict=True):
        inside_rows = (rows >= top * side) & (rows < (top + SIDE) * side)
        inside = inside_rows & (columns >= left * width) & (columns < (left + SIDE) * width)
        pixels[inside] = level
    return Drawing(pixels, rng.randrange(1, 9))


def attack(rng: random.Random, folder: Path) -> str:
    """Write one image and read it."""
    kind = rng.choice(list(WRITERS))
    drawing = draw(rng)
    path = WRITERS[kind](rng, folder, drawing)
    try:
        pages = page_indices(path)
        frames = [
            read_frames(path, FrameFormat(SIZE, rng.choice((1, 3)), page=page))[0][0]
            for page in pages
        ]
    except DmadError as error:
        if "\n" in str(error):
            raise AssertionError(f"{error} is more than one line") from error
        is_small = min(drawing.pixels.shape) < SMALLEST
        return f"image: {kind}: {'too small' if is_small else 'refused'}"
    if min(drawing.pixels.shape) < 16:
        return f"image: {kind}: too small to compare"
    for frame in frames:
        found = [brightness(frame, *corner) for corner in CORNERS]
        ground = frame[int(0.55 * SIZE), int(0.55 * SIZE)].mean()
        order = [found[0], ground, found[1], found[2]]
        assert order == sorted(order), f"{path}: {order}"
        assert order[-1] - order[0] > 20, f"{path}: {order} are nearly the same"
    return f"image: {kind}"


def brightness(frame: np.ndarray, top: float, left: float) -> float:
    rows, columns = (int((place + SIDE / 2) * SIZE) for place in (top, left))
    return float(frame[rows - 2 : rows + 2, columns - 2 : columns + 2].mean())


def exif(drawing: Drawing) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = drawing.orientation
    return tags


def eight_bits(drawing: Drawing) -> Image.Image:
    return Image.fromarray((255 * drawing.stored).astype(np.uint8))


def write_plain(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    ending = rng.choice((".png", ".jpg", ".tif", ".webp"))
    mode = rng.choice(("L", "RGB"))
    path = folder / f"a{ending}"
    eight_bits(drawing).convert(mode).save(path, exif=exif(drawing))
    return path


def write_unturned(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    """Formats without a tag for the orientation."""
    path = folder / f"a{rng.choice(('.bmp', '.gif', '.ppm', '.pgm', '.jp2'))}"
    Image.fromarray((255 * drawing.pixels).astype(np.uint8)).convert(
        "RGB" if path.suffix == ".ppm" else "L"
    ).save(path)
    return path


def write_alpha(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    """Alpha that is full or 0 everywhere."""
    image = eight_bits(drawing).convert(rng.choice(("L", "RGB")))
    image.putalpha(rng.choice((0, 255)))
    path = folder / f"a{rng.choice(('.png', '.tif'))}"
    image.save(path, exif=exif(drawing))
    return path


def write_palette(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    image = eight_bits(drawing).convert("RGB").quantize(16)
    path = folder / f"a{rng.choice(('.png', '.tif'))}"
    image.save(path, exif=exif(drawing))
    return path


def write_cmyk(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    path = folder / f"a{rng.choice(('.jpg', '.tif'))}"
    eight_bits(drawing).convert("RGB").convert("CMYK").save(path, exif=exif(drawing))
    return path


def write_deep_grey(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    """10 to 16 bits in 16, one hot pixel."""
    values = ((2 ** rng.choice((10, 12, 14, 16)) - 1) * drawing.stored).astype(np.uint16)
    if rng.random() < 0.5 and values.size > 2000:
        values[-1, -1] = 65535
    path = folder / f"a{rng.choice(('.png', '.tif'))}"
    Image.fromarray(values).save(path, exif=exif(drawing))
    return path


def write_deep_colour(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    values = ((2 ** rng.choice((10, 12, 14, 16)) - 1) * drawing.stored).astype(np.uint16)
    channels = rng.choice((3, 4))
    pixels = np.repeat(values[..., None], channels, -1)
    options: dict[str, Any] = {"photometric": "rgb"}
    if channels == 4:
        pixels[..., 3] = 65535
        options["extrasamples"] = ["unassalpha"]
    if rng.random() < 0.3:
        options["compression"] = "zlib"
    return write_tiff(rng, folder, drawing, pixels, options)


def write_numbers(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    kind = rng.choice(("int8", "int16", "int32", "uint32", "float32", "float64", "float16"))
    scale, shift = {"int8": (100, 50), "int16": (4000, 1500), "int32": (1e6, 1e5)}.get(
        kind, (1.0 if kind[0] == "f" else 1e6, 0.0)
    )
    values = (scale * drawing.stored - shift).astype(kind)
    return write_tiff(rng, folder, drawing, values, {"photometric": "minisblack"})


def write_inverted(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    """White is zero: 8 bits are inverted by the reader, 16 bits too."""
    kind, most = rng.choice((("uint8", 255), ("uint16", 65535)))
    values = (most * (1 - drawing.stored)).astype(kind)
    return write_tiff(rng, folder, drawing, values, {"photometric": "miniswhite"})


def write_planes(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    """The colours one after the other."""
    kind, most = rng.choice((("uint8", 255), ("uint16", 65535)))
    planes = np.repeat((most * drawing.stored).astype(kind)[None], 3, 0)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    return write_tiff(rng, folder, drawing, planes, options)


def write_pages(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    kind, most = rng.choice((("uint8", 255), ("uint16", 4095)))
    page = (most * drawing.stored).astype(kind)
    pages = np.repeat(page[None], rng.choice((2, 3)), 0)
    return write_tiff(rng, folder, drawing, pages, {"photometric": "minisblack"})


def write_text(rng: random.Random, folder: Path, drawing: Drawing) -> Path:
    """Metadata of other programs beside the pixels."""
    path = folder / "a.png"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * rng.randrange(5000))
    eight_bits(drawing).save(path, pnginfo=info, exif=exif(drawing), dpi=(1, 300))
    return path


def write_tiff(
    rng: random.Random, folder: Path, drawing: Drawing, values: np.ndarray, options: dict[str, Any]
) -> Path:
    path = folder / "a.tif"
    tag = [(274, 3, 1, drawing.orientation, False)]  # on every page
    order = rng.choice("<>")
    tifffile.imwrite(path, values, extratags=tag, byteorder=order, metadata=None, **options)
    return path


WRITERS: dict[str, Callable[[random.Random, Path, Drawing], Path]] = {
    "8 bits": write_plain,
    "8 bits without orientation": write_unturned,
    "alpha": write_alpha,
    "palette": write_palette,
    "four inks": write_cmyk,
    "deep grey": write_deep_grey,
    "deep colour": write_deep_colour,
    "signed, long or floating-point": write_numbers,
    "white is zero": write_inverted,
    "planes": write_planes,
    "pages": write_pages,
    "metadata": write_text,
}
