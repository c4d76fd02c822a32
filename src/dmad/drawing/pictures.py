"""Pictures of the results of a model: heat maps, deformation fields, and panels as in the paper.

The functions work on numpy arrays. Each returns an image (H, W, 3), uint8 RGB.

- A frame is (H, W), (H, W, 1) or (H, W, 3), uint8.
- A field is (2, H, W) in pixels, channel 0 = x (right), 1 = y (down).
- `limit`, above 0, is the value that is drawn in the strongest colour. Larger values have the same
  colour. Compare only pictures with the same limit. NaN is drawn as zero.
- `zoom` enlarges the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dmad.errors import require
from dmad.files import write_atomically

Pixels = NDArray[np.uint8]

Values = NDArray[np.floating[Any]]

_ARROW, _HALO, _HAIRLINE = (255, 196, 0), (20, 20, 20), (190, 190, 190)

_OVERSAMPLING = 2  # lines are drawn larger by this factor, then averaged down

_SMALLEST_TILE, _GAP = 160, 10  # pixels: side of an image in a panel, and space between images

# Colours of eight directions, clockwise from right: right, down, left, up and those between them.
_COMPASS = "E69F00 CC4A4A 8E2C86 4B3FA0 0072B2 2AA7C4 3DBD86 B9C63A"


def heatmap(frame: Pixels, anomaly: Values, limit: float) -> Pixels:
    """Draw a map (H, W), 0 or more, over a frame. The frame is unchanged where the map is zero."""
    heat = _relative(anomaly, limit)
    alpha = 0.85 * heat[..., None]
    return _rounded((1 - alpha) * to_rgb(frame) + alpha * _inferno(0.25 + 0.67 * heat))


def error_image(error: Values, limit: float) -> Pixels:
    """Draw an error map (H, W), 0 or more, from black (zero) over red to yellow (`limit`)."""
    return _inferno(_relative(error, limit))


def color_wheel(field: Values, limit: float) -> Pixels:
    """Draw a field: the hue is the direction, the saturation is the length, and white is zero."""
    x, y = _shortened(field, limit) / limit
    turns = np.arctan2(y, x) / (2 * np.pi)
    hue = _wheel_colors()[np.rint(turns * 256).astype(int) % 256]
    length = np.hypot(x, y)[..., None]
    return _rounded(255 - length * (255 - hue))


def wheel_legend(size: int = 128) -> Pixels:
    """Draw the legend of `color_wheel`: a disc of `size` pixels with all directions and lengths."""
    axis = np.linspace(-1.02, 1.02, _OVERSAMPLING * size)
    disc = np.stack(np.meshgrid(axis, axis))
    disc[:, np.hypot(*disc) > 1] = 0
    return np.array(Image.fromarray(color_wheel(disc, 1.0)).reduce(_OVERSAMPLING))


def arrows(
    frame: Pixels, field: Values, limit: float, step: int = 16, gain: float = 6.0, zoom: int = 1
) -> Pixels:
    """Draw a field as arrows on a frame, (zoom * H, zoom * W, 3).

    Args:
        frame: The image below the arrows.
        field: (2, H, W) in pixels. Very short vectors are not drawn.
        limit: Longest arrow in pixels. Longer vectors are shortened to this length.
        step: Distance between the arrows in pixels.
        gain: Factor by which the arrows are enlarged, because vectors of 2 pixels are hard to see.
        zoom: Factor by which the frame is enlarged. A frame of 32 pixels needs at least 4.
    """
    shape, size = field.shape[1:], frame.shape[:2]
    require(shape == size, f"field is {shape}, frame is {size}; bring them to one size")
    scale = zoom * _OVERSAMPLING
    canvas = _enlarged(to_rgb(frame), scale)
    draw = ImageDraw.Draw(canvas)
    for tail, neck, tip, left, right in _arrow_points(_shortened(field, limit), step, gain, scale):
        draw.line([tail, neck], fill=_HALO, width=2 * _OVERSAMPLING + 1)
        draw.polygon([tip, left, right], fill=_ARROW, outline=_HALO)
        draw.line([tail, neck], fill=_ARROW, width=_OVERSAMPLING)
    return np.array(canvas.reduce(_OVERSAMPLING))


def panel(
    rows: Sequence[Sequence[Pixels]], titles: Sequence[str], row_titles: Sequence[str] | None = None
) -> Pixels:
    """Arrange images as a table with titles on white, as in Figs. 2, 6 and 7 of the paper.

    Args:
        rows: Rows of frames, one frame for each column. All frames are resized to the same size:
            the size of the largest frame, or about 160 pixels if it is smaller.
        titles: The title of each column. A title may have several lines.
        row_titles: The title of each row, which is drawn to the left of the row.
    """
    labels = [""] * len(rows) if row_titles is None else list(row_titles)
    require(len(labels) == len(rows), f"{len(labels)} row titles for {len(rows)} rows")
    counts = {len(row) for row in rows}
    require(counts == {len(titles)}, f"rows of {counts} images for {len(titles)} titles")
    width, height = _tile_size(rows)
    cell_width = max(width, *(_text_size(title)[0] for title in titles)) + _GAP
    top = max(_text_size(title)[1] for title in titles) + _GAP
    left = max(_text_size(label)[0] for label in labels) + _GAP
    table = [[_text("", left, top), *(_text(title, cell_width, top) for title in titles)]]
    for label, row in zip(labels, rows, strict=True):
        tiles = [_tile(image, (width, height), cell_width) for image in row]
        table.append([_text(label, left, height + _GAP), *tiles])
    return np.vstack([np.hstack(row) for row in table])


def save_png(image: NDArray[np.uint8] | NDArray[np.uint16], path: Path | str) -> None:
    """Write an image (H, W) or (H, W, 3) as PNG. No incomplete file is left."""
    content = BytesIO()
    Image.fromarray(image).save(content, format="PNG")
    write_atomically(Path(path), content.getvalue())


def to_rgb(image: Pixels) -> Pixels:
    """Return a copy of an image (H, W), (H, W, 1) or (H, W, 3) as (H, W, 3)."""
    return np.array(np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3)))


def _rounded(values: Values) -> Pixels:
    return np.rint(values).astype(np.uint8)


def _relative(values: Values, limit: float) -> Values:
    """Return values divided by the limit, clipped to [0, 1]."""
    require(limit > 0, f"limit is {limit}; give the value of full strength, above 0")
    return np.nan_to_num(np.clip(values, 0, limit)) / limit


def _shortened(field: Values, limit: float) -> Values:
    """Return a field in which vectors longer than `limit` are shortened to it."""
    require(limit > 0, f"limit is {limit}; give the longest vector in pixels, above 0")
    field = np.nan_to_num(field, posinf=limit, neginf=-limit)
    return np.asarray(field * (limit / np.maximum(np.hypot(*field), limit)))


def _inferno(relative: Values) -> Pixels:
    return np.asarray(matplotlib.colormaps["inferno"](relative, bytes=True), np.uint8)[..., :3]


@lru_cache
def _wheel_colors() -> Values:
    """Return the colours of 256 directions, (256, 3), interpolated from `_COMPASS`."""
    anchors = np.array([list(bytes.fromhex(color)) for color in _COMPASS.split()])
    turns, anchor_turns = np.arange(256) / 256, np.arange(len(anchors)) / len(anchors)
    channels = [np.interp(turns, anchor_turns, channel, period=1) for channel in anchors.T]
    return np.stack(channels, axis=-1).astype(np.float32)


def _enlarged(image: Pixels, factor: int) -> Image.Image:
    height, width = image.shape[:2]
    size = (factor * width, factor * height)
    return Image.fromarray(image).resize(size, Image.Resampling.NEAREST)


def _arrow_points(
    field: Values, step: int, gain: float, scale: int
) -> list[list[tuple[float, float]]]:
    """Return for each arrow its tail, neck, tip and the two corners of its head."""
    height, width = field.shape[1:]
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step].reshape(2, -1)
    vectors = scale * gain * field[:, y, x].T
    lengths = np.hypot(*vectors.T)[:, None]
    visible = lengths[:, 0] >= 2 * _OVERSAMPLING
    vectors, lengths = vectors[visible], lengths[visible]
    tails = scale * (np.stack((x, y), axis=1)[visible] + 0.5)
    heads = vectors * np.minimum(0.5, 4 * _OVERSAMPLING / lengths)
    tips = tails + vectors
    necks = tips - heads
    sideways = 0.6 * np.stack((-heads[:, 1], heads[:, 0]), axis=1)
    points = np.stack([tails, necks, tips, necks + sideways, necks - sideways], axis=1)
    return [[(float(a), float(b)) for a, b in arrow] for arrow in points]


def _tile_size(rows: Sequence[Sequence[Pixels]]) -> tuple[int, int]:
    """Return width and height of an image in a panel."""
    height = max(image.shape[0] for row in rows for image in row)
    width = max(image.shape[1] for row in rows for image in row)
    factor = max(1, ceil(_SMALLEST_TILE / max(height, width)))
    return factor * width, factor * height


def _tile(image: Pixels, size: tuple[int, int], cell_width: int) -> Pixels:
    """Resize an image to (width, height), and draw it with a thin border in a white cell."""
    width, height = size
    x, y = (cell_width - width) // 2, _GAP // 2
    method = Image.Resampling.NEAREST if 2 * len(image) <= height else Image.Resampling.LANCZOS
    canvas = Image.new("RGB", (cell_width, height + _GAP), "white")
    ImageDraw.Draw(canvas).rectangle((x - 1, y - 1, x + width, y + height), outline=_HAIRLINE)
    canvas.paste(Image.fromarray(to_rgb(image)).resize(size, method), (x, y))
    return np.asarray(canvas)


def _text(text: str, width: int, height: int) -> Pixels:
    canvas = Image.new("RGB", (width, height), "white")
    middle = (width // 2, height // 2)
    draw = ImageDraw.Draw(canvas)
    draw.multiline_text(middle, text, "#222222", _font(), anchor="mm", align="center")
    return np.asarray(canvas)


def _text_size(text: str) -> tuple[int, int]:
    box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=_font())
    return int(box[2]), int(box[3])


@lru_cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 14)
