"""Opens image files, turns them upright, and converts every kind of pixel to 8 bits."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from dmad.data.reading.frame_format import MEGAPIXELS, Frame, FrameFormat
from dmad.data.reading.pixel_values import ValueRange, range_of_one, without_hot_pixels
from dmad.data.tiles import cut_tiles
from dmad.errors import DmadError, require

SMALLEST = 8  # pixels; images with a shorter side are refused
# Pillow also knows formats that are no photographs, such as PostScript, for which it starts another
# program.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM", "JPEG2000")
ORIENTATION = 0x0112  # the EXIF tag that says how to turn an image
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # values of the tag that need a change
ON_THE_SIDE = (5, 6, 7, 8)  # values of the tag that swap width and height
WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLE_FORMAT, SUBFILE = 256, 257, 258, 262, 339, 254  # of TIFF
WHITE_IS_ZERO, SIGNED = 0, 2  # values of the tags `PHOTOMETRIC` and `SAMPLE_FORMAT`
NOT_A_PART = 0b101  # bits of the tag `SUBFILE`: a smaller copy, or a transparency mask
# Pillow's modes of images with one value per pixel and more than 8 bits
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
GREY_WITH_ALPHA = "LA;16B"  # stored layout of a PNG file that Pillow opens as RGBA of 8 bits
SWAPPED = {"I;16BS", "I;32BS", "F;32BF"}  # Pillow's names of big-endian numbers
COLOUR_MODES = ("RGB", "RGBA", "RGBX")  # of 16-bit colours, Pillow keeps only the high byte
STRIP = 4_000_000  # pixels that are converted at a time
SAMPLED = 250_000  # pixels that are enough to learn the range of an image


def allow_large_images() -> None:
    """Switch off Pillow's limit of 179 million pixels, for the whole process.

    `open_image` has its own limit. Only the command line calls this function. A program that uses
    this package sets `PIL.Image.MAX_IMAGE_PIXELS` itself.
    """
    Image.MAX_IMAGE_PIXELS = None


@contextmanager
def open_image(path: Path, page: int = 0, megapixels: float = MEGAPIXELS) -> Iterator[Image.Image]:
    """Open an image file. Its pixels are not decoded yet.

    Args:
        path: The file.
        page: Index of the image in a file that contains several, such as a TIFF file with pages.
        megapixels: Largest number of pixels, in millions.

    Raises:
        DmadError: The image is too large, or it is not a regular file.
        OSError: The file is not an image. Pillow raises other errors too.
    """
    require(path.is_file(), "not a regular file")
    # Pillow 13 reads a turned TIFF file wrongly if it opens the file itself.
    with path.open("rb") as file:
        try:
            opened = Image.open(file, formats=FORMATS)
            if page:
                opened.seek(page)
        except Image.DecompressionBombError as error:
            raise DmadError(
                "too large for Pillow: raise PIL.Image.MAX_IMAGE_PIXELS or give smaller images"
            ) from error
        except UnidentifiedImageError as error:
            raise DmadError("no image of a kind that can be read") from error
        with opened as image:
            require(
                image.width * image.height <= megapixels * 1e6,
                f"{image.width} x {image.height} pixels are more than {megapixels:g} million; give "
                "smaller images, or train with a larger --data.megapixels",
            )
            yield image


def image_size(path: Path, page: int = 0) -> tuple[int, int]:
    """Width and height of an image after it is turned upright."""
    with open_image(path, page, np.inf) as image:
        return upright_size(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an image after it is turned upright. Call this before it is decoded."""
    tags = _tags(image)
    width, height = image.size
    if WIDTH in tags:  # Pillow may have swapped the sides already
        width, height = int(tags[WIDTH]), int(tags[HEIGHT])
    on_its_side = image.getexif().get(ORIENTATION) in ON_THE_SIDE
    return (height, width) if on_its_side else (width, height)


def page_indices(path: Path) -> list[int]:
    """Indices of the images in a file: several for a TIFF file with pages, or an animation.

    Smaller copies of a page are left out. An unreadable file counts as one image.
    """
    if path.suffix.lower() in (".jpg", ".jpeg", ".jfif", ".bmp"):
        return [0]
    try:
        with open_image(path, 0, np.inf) as image:
            count = getattr(image, "n_frames", 1)
            if count == 1 or image.format != "TIFF":
                return list(range(count))
            pages = []
            for index in range(count):
                image.seek(index)
                if not _tags(image).get(SUBFILE, 0) & NOT_A_PART:
                    pages.append(index)
            return pages or [0]
    except Exception:  # Pillow raises many kinds on broken files; reading the image reports it
        return [0]


def value_bits(image: Image.Image) -> str:
    """The bits of an image's values: "8", "16", "32", or "float" for floating-point numbers.

    Call this function before the image is decoded.
    """
    if image.mode == "F":
        return "float"
    if image.mode == "I" and _tags(image).get(BITS, (16,))[0] > 16:
        return "32"
    return "16" if _is_deep(image) else "8"


def upright(image: Image.Image, mode: str, values: ValueRange | None = None) -> Image.Image:
    """Convert an image to 8 bits, turn it by its EXIF data, and make transparent pixels black.

    If all pixels are transparent, the transparency is ignored: programs that write four bytes for
    each pixel may leave the fourth at 0.

    Args:
        image: The image, as `open_image` gives it.
        mode: `L` for grey, `RGB` for colour.
        values: Which values become black and white, if the image has more than 8 bits. None: chosen
            from the values of this image.

    Raises:
        DmadError: Pillow would read the pixels wrongly.
    """
    turned = _upright(image, values)
    return turned if turned.mode == mode else turned.convert(mode)


def _upright(image: Image.Image, values: ValueRange | None) -> Image.Image:
    """Do the same as `upright`, but do not convert the image to grey or RGB."""
    require(image.mode != "LAB", "its colours are LAB; save it as RGB")
    turned = _turned(_in_eight_bits(image, values), image)
    if turned.has_transparency_data:
        turned = _on_black(turned)
    return turned


def read_frames(path: Path, frame_format: FrameFormat) -> tuple[list[Frame], tuple[int, int]]:
    """Return the frames of an image file, one for each tile, and the image's width and height.

    The width and height are those in the file, before the image is turned upright.

    Raises:
        DmadError: The image is too small or too large, or Pillow would read its pixels wrongly.
        OSError: The file is not an image. Pillow raises other errors too.
    """
    size, tiles = frame_format.size, frame_format.tiles
    with open_image(path, frame_format.page, frame_format.megapixels) as opened:
        stored_size = opened.size
        if frame_format.antialias:  # Pillow may decode a large JPEG at a lower resolution
            opened.draft(None, (2 * size * tiles, 2 * size * tiles))
        return frames_of_image(opened, frame_format), stored_size


def frames_of_image(image: Image.Image, frame_format: FrameFormat) -> list[Frame]:
    """The frames of an opened image, one for each tile.

    Args:
        image: The image.
        frame_format: Size and colours of the frames.

    Raises:
        DmadError: The image is too small, or Pillow would read its pixels wrongly.
    """
    width, height = image.size
    require(min(width, height) >= SMALLEST, f"{width} x {height} pixels are too few")
    converted = _upright(image, frame_format.values)
    if converted.mode != "L":  # a large grey image gets its three channels after it is resized
        converted = converted.convert(frame_format.image_mode)
    if frame_format.antialias:
        frames = cut_tiles(converted, frame_format.tiles, frame_format.size)
    else:
        frames = [resize_without_antialiasing(converted, frame_format.size)]
    missing = frame_format.channels // frames[0].shape[-1]
    return [frame.repeat(missing, -1) for frame in frames]


def deep_values(image: Image.Image, most: int = SAMPLED) -> np.ndarray | None:
    """Return about `most` pixel values, from evenly spread places; None if the image has 8 bits.

    Raises:
        DmadError: Pillow would read the pixels wrongly.
    """
    if not _is_deep(image):
        return None
    step = max(1, int((image.width * image.height / most) ** 0.5))
    return np.concatenate([strip[::step, ::step].ravel() for strip in _strips(image)])


def stored_values(image: Image.Image) -> np.ndarray:
    """Values (H, W, C) in the type in which the file stores them. The image is not turned upright.

    Masks are read with this function. For an image with a palette, the values are the colours if
    some pixel is black. Otherwise, they are the indices in the palette, so that the normal
    pixels of a mask can be 0.

    Raises:
        DmadError: Pillow would read the pixels wrongly.
    """
    if _is_deep(image):
        whole = np.concatenate(list(_strips(image)))
        return whole.reshape(*whole.shape[:2], -1)
    if image.mode in ("P", "PA"):
        indices = np.asarray(image.getchannel(0) if image.mode == "PA" else image)
        colours = np.asarray(image.convert("RGB"))
        black = (colours == 0).all(-1)
        return colours if black.any() else indices[..., None]
    plain = image if image.mode in ("L", "RGB", "LA", "RGBA") else image.convert("RGB")
    if "transparency" in image.info:
        plain = image.convert("RGBA")
    array = np.asarray(plain)
    array = array.reshape(*array.shape[:2], -1)
    return 255 - array if _tags(image).get(PHOTOMETRIC) == WHITE_IS_ZERO else array


def turn(array: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turn an array (H, W, ...) upright by the EXIF data of the image from which it was computed.

    The image must be decoded already.
    """
    orientation = image.getexif().get(ORIENTATION)
    if orientation in ON_THE_SIDE:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _turned(pixels: Image.Image, image: Image.Image) -> Image.Image:
    """Turn pixels upright by the EXIF data of their image.

    TIFF files are not turned here, because Pillow turns them when it decodes them.
    """
    image.load()
    method = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return pixels if method is None else pixels.transpose(method)


def _tags(image: Image.Image) -> Any:
    """The tags of a TIFF file; empty for other formats."""
    return getattr(image, "tag_v2", {})


def _raw_modes(image: Image.Image) -> set[str]:
    """Pillow's names for the layout of the stored bytes. Empty after the image is decoded."""
    arguments = [tile[3] for tile in getattr(image, "tile", [])]
    return {one if isinstance(one, str) else str(one[0]) for one in arguments if one}


def _is_deep(image: Image.Image) -> bool:
    """True if an image has values of more than 8 bits, or signed values.

    Raises:
        DmadError: Pillow would read the pixels wrongly.
    """
    if image.mode in DEEP_MODES:
        return True
    raw, tags = _raw_modes(image), _tags(image)
    sixteen = all(";16" in one for one in raw) and bool(raw)
    if sixteen and (image.mode in COLOUR_MODES or raw == {GREY_WITH_ALPHA}):
        return True
    bits = max(tags.get(BITS, (8,)))
    require(
        bits <= 8 and not sixteen,
        f"its colours have {bits if bits > 8 else 16} bits in a form that is not read; save it as "
        "RGB, with all colours of a pixel side by side",
    )
    return set(tags.get(SAMPLE_FORMAT, ())) == {SIGNED}


def _in_eight_bits(image: Image.Image, values: ValueRange | None) -> Image.Image:
    """Convert the pixels to 8 bits. An image that has 8 bits is returned unchanged."""
    if not _is_deep(image):
        return image
    strips: Iterable[np.ndarray] = _strips(image)
    if values is None:
        strips = list(strips)
        values = range_of_one(strips)
    white_is_zero = _tags(image).get(PHOTOMETRIC) == WHITE_IS_ZERO  # Pillow inverts 8 bits only
    grey = (values.to_bytes(without_hot_pixels(strip, values.white)) for strip in strips)
    pieces = [Image.fromarray(255 - one if white_is_zero else one) for one in grey]
    whole = Image.new(pieces[0].mode, (pieces[0].width, sum(piece.height for piece in pieces)))
    top = 0
    for piece in pieces:
        whole.paste(piece, (0, top))
        top += piece.height
    if image.mode == "RGBA":
        whole.putalpha(image.getchannel("B" if whole.mode == "L" else "A"))
    return whole


def _strips(image: Image.Image) -> Iterator[np.ndarray]:
    """The stored values of an image with more than 8 bits, some rows at a time.

    Args:
        image: The image, not decoded yet.

    Yields:
        The values of h rows: (h, W) for grey, (h, W, 3) for colour.
    """
    tags = _tags(image)
    grey = _raw_modes(image) == {GREY_WITH_ALPHA}
    low = None
    if grey:  # the four bytes of a pixel: high and low byte of the grey value, two of the alpha
        _set_raw_mode(image, "RGBA")
    elif image.mode in COLOUR_MODES:  # Pillow gives the high bytes
        assert isinstance(image, ImageFile.ImageFile)
        assert image.fp is not None
        low = Image.open(image.fp)
        low.seek(image.tell())
        (raw,) = _raw_modes(image)
        _set_raw_mode(low, raw[:-1] + ("L" if _is_big_endian(raw) else "B"))
        low.load()
    else:
        _mend_byte_order(image)
    image.load()
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        strip = np.asarray(image.crop(box))
        if grey:
            strip = strip[..., 0].astype(np.uint16) << 8 | strip[..., 1]
        elif low is not None:
            high = strip[..., :3].astype(np.uint16) << 8
            strip = high | np.asarray(low.crop(box))[..., :3]
        yield _with_sign(strip, tags)


def _mend_byte_order(image: Image.Image) -> None:
    """Make Pillow read a compressed TIFF file of signed or floating-point numbers rightly.

    The decoder of the file already puts the bytes into the order of this machine, and Pillow 13
    would swap them again.
    """
    codecs = {tile[0] for tile in getattr(image, "tile", [])}
    for raw in _raw_modes(image) & SWAPPED:
        if codecs == {"libtiff"} and sys.byteorder == "little":
            _set_raw_mode(image, raw.replace("B", ""))


def _set_raw_mode(image: Image.Image, raw: str) -> None:
    """Tell Pillow to read the stored bytes of an image in the layout `raw`, a name of Pillow."""
    assert isinstance(image, ImageFile.ImageFile)
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in image.tile
    ]


def _is_big_endian(raw: str) -> bool:
    return raw.endswith("B") or (raw.endswith("N") and sys.byteorder == "big")


def _with_sign(values: np.ndarray, tags: Any) -> np.ndarray:
    """Return values with the sign that the tags of a TIFF file state.

    Pillow always reads values of 8 bits as unsigned, and values of 32 bits as signed.
    """
    signed = set(tags.get(SAMPLE_FORMAT, ())) == {SIGNED}
    if values.dtype == np.uint8 and signed:
        return values.view(np.int8)
    if values.dtype == np.int32 and not signed and tags.get(BITS, (0,))[0] == 32:
        return values.view(np.uint32)
    return values


def _on_black(image: Image.Image) -> Image.Image:
    """Put an image with transparency on black.

    If all pixels are transparent, the transparency is removed instead.
    """
    colours = image.convert("RGBA")
    if colours.getchannel("A").getextrema() == (0, 0):
        return colours.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", colours.size, "black"), colours)


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
