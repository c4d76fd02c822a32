"""Pictures of the results of a model: heat maps, deformation fields, and panels as in the paper.

The functions work on numpy arrays. Each returns an image (H, W, 3), uint8 RGB.

- A frame is (H, W), (H, W, 1) or (H, W, 3), uint8.
- A field is (2, H, W) in pixels, channel 0 = x (right), 1 = y (down).
- `limit`, above 0, is the value that is drawn in the strongest colour. Larger values have the same
  colour. Compare only pictures with the same limit. NaN is drawn as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

# Left, top, right and bottom, as shares of width and height.
Box = tuple[float, float, float, float]

# Maps the title of a column to a function that draws the legend of the column. The argument of the
# function is the width in pixels.
Legends = Mapping[str, Callable[[int], Pixels]]

_HAIRLINE, _INK, _BOX = (190, 190, 190), (34, 34, 34), (0, 220, 255)

_OVERSAMPLING = 2  # the legend is drawn larger by this factor, then averaged down

_SMALLEST_TILE, _GAP = 160, 10  # pixels: side of an image in a panel, and space between images

LEGEND_HEIGHT, _BAR_HEIGHT = 44, 12  # pixels

_SMOOTH = Image.Resampling.BILINEAR

_LEAST_PART = 0.25  # smallest share of width and height that is shown enlarged
_AROUND = 2.0  # the enlarged part is this many times as large as the box

_FADED = 0.5  # contrast of a frame below a shift
_ARROW, _ARROW_HEAD = 24, 5  # pixels: size of the square that gets one arrow, and of an arrow head
_ARROW_SHORTEST = 0.5  # share of this square that the shortest arrows cover

# Colours of eight directions, clockwise from right: right, down, left, up and those between them.
_COMPASS = "E69F00 CC4A4A 8E2C86 4B3FA0 0072B2 2AA7C4 3DBD86 B9C63A"


def heatmap(frame: Pixels, anomaly: Values, limit: float) -> Pixels:
    """Draw a map (H, W) over a frame. The frame is unchanged where the map is zero or negative.

    Values above half of the limit are drawn with an opacity of 50 %, so that one can see what is in
    the frame.
    """
    heat = _relative(anomaly, limit)
    alpha = 0.5 * np.minimum(1, 2 * heat)[..., None]
    return _rounded((1 - alpha) * to_rgb(frame) + alpha * _heat_colors(heat))


def error_image(error: Values, limit: float) -> Pixels:
    """Draw an error map (H, W), 0 or more, from white (zero) over red to black (`limit`)."""
    return _colors("gist_heat_r", _relative(error, limit))


def heat_colors(values: Values, limit: float) -> Pixels:
    """Draw a map (H, W), 0 or more, in the colours of `heatmap`, without a frame."""
    return _heat_colors(_relative(values, limit))


def color_wheel(field: Values, limit: float) -> Pixels:
    """Draw a field on white. The hue of a pixel shows the direction of the vector.

    A longer vector has a stronger colour. The strength is proportional to the square root of the
    length, so that short vectors are visible. Where the length is 0, the picture is white.

    Args:
        field: (2, H, W) in pixels.
        limit: Length in pixels of the vectors that have full colour.
    """
    x, y = _relative_field(field, limit)
    strength = np.sqrt(np.hypot(x, y))[..., None]
    return _rounded((1 - strength) * 255.0 + strength * _hues(x, y))


def shift_image(
    frame: Pixels, shift: Values, limit: float, least: float = 0.0, least_arrow: float = 0.0
) -> Pixels:
    """Draw over a faded grey frame how far its parts are shifted, and in which direction.

    The hue of a pixel shows the direction, as in `color_wheel`. The opacity of the colour is
    proportional to the length. Arrows show the direction, too. A longer arrow is a longer shift.
    There is at most one arrow in each square of 24 x 24 pixels, for the mean shift of this square.

    Args:
        frame: The frame.
        shift: (2, H, W) in pixels.
        limit: Length in pixels from which the colour is opaque.
        least: Shifts that are shorter are not drawn.
        least_arrow: Mean shifts that are not longer get no arrow.
    """
    x, y = relative = _relative_field(shift, limit)
    length = np.hypot(x, y)
    opacity = np.where(length < least / limit, 0, length)[..., None]
    grey = np.asarray(Image.fromarray(to_rgb(frame)).convert("L"), np.float32)[..., None]
    ground = 255 - _FADED * (255 - grey)
    canvas = Image.fromarray(_rounded((1 - opacity) * ground + opacity * _hues(x, y)))
    _draw_arrows(canvas, relative, least_arrow / limit)
    return np.asarray(canvas)


def wheel_legend(size: int = 128) -> Pixels:
    """Draw a disc of `size` pixels with the colours of all directions and lengths."""
    axis = np.linspace(-1.02, 1.02, _OVERSAMPLING * size)
    disc = np.stack(np.meshgrid(axis, axis))
    disc[:, np.hypot(*disc) > 1] = 0
    return np.array(Image.fromarray(color_wheel(disc, 1.0)).reduce(_OVERSAMPLING))


def field_legend(width: int, limit: float) -> Pixels:
    """Draw a legend strip of `shift_image`, `width` pixels wide: the disc and `limit` as text."""
    text = f"direction of the shift\nfull colour: {limit:.2g} px"
    strip, draw = _canvas(width, LEGEND_HEIGHT)
    side = LEGEND_HEIGHT - 4
    left = max(0, (width - side - 6 - _text_size(text)[0]) // 2)
    strip.paste(Image.fromarray(wheel_legend(side)), (left, 2))
    draw.multiline_text((left + side + 6, LEGEND_HEIGHT // 2), text, _INK, _font(), anchor="lm")
    return np.asarray(strip)


def heat_legend(width: int, marks: Mapping[str, float]) -> Pixels:
    """Draw a legend strip of `heatmap`, `width` pixels wide: a colour bar with marks.

    Args:
        width: Width in pixels.
        marks: Position of each text, from 0 (zero) to 1 (`limit`).
    """
    strip, draw = _canvas(width, LEGEND_HEIGHT)
    left, right = 8, width - 8
    bar = _heat_colors(np.linspace(0, 1, right - left))
    strip.paste(Image.fromarray(np.tile(bar, (_BAR_HEIGHT, 1, 1))), (left, 4))
    for text, position in marks.items():
        x = left + round(position * (right - left - 1))
        draw.line((x, 4, x, _BAR_HEIGHT + 8), _INK)
        half = _text_size(text)[0] // 2 + 1
        middle = min(max(x, left + half), right - half)
        draw.text((middle, _BAR_HEIGHT + 9), text, _INK, _font(), anchor="ma")
    return np.asarray(strip)


def legend_row(titles: Sequence[str], legends: Legends, width: int) -> Pixels:
    """Draw the legends of all columns side by side, each `width` pixels wide.

    `titles` are the titles of the columns. A column without a legend stays white.
    """
    blank, _ = _canvas(width, LEGEND_HEIGHT)
    return np.hstack(
        [legends[title](width) if title in legends else np.asarray(blank) for title in titles]
    )


def mark_box(image: Pixels, box: Box, thin: bool = False) -> Pixels:
    """Draw the outline of a box into a copy of an image.

    The line is outside the box, so that it covers nothing in the box. Only at an edge of the image,
    the line is inside the box.

    Args:
        image: The image.
        box: Left, top, right and bottom, as shares of width and height.
        thin: Draw a line of one pixel.
    """
    canvas = Image.fromarray(to_rgb(image))
    width, height = canvas.size
    left, top, right, bottom = box
    line = 1 if thin else max(2, height // 80)
    first = (max(0, left * width - line), max(0, top * height - line))
    last = (min(width, right * width + line) - 1, min(height, bottom * height + line) - 1)
    ImageDraw.Draw(canvas).rectangle((first, last), outline=_BOX, width=line)
    return np.asarray(canvas)


def enlarged(image: Pixels, box: Box) -> Pixels:
    """Return the part of an image around a box, enlarged to the size of the image, with the box.

    The part has the proportions of the image. It is larger than the box, so that the neighbourhood
    is visible. Its width and height are at least a quarter of those of the image.

    Args:
        image: The image.
        box: Left, top, right and bottom, as shares of width and height.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = box
    share = min(1.0, max(_LEAST_PART, _AROUND * max(right - left, bottom - top)))
    x, y = (np.clip((a + b - share) / 2, 0, 1 - share) for a, b in ((left, right), (top, bottom)))
    part = (x * width, y * height, (x + share) * width, (y + share) * height)
    canvas = Image.fromarray(to_rgb(image))
    canvas = canvas.resize((width, height), Image.Resampling.BICUBIC, part)
    inside = tuple((edge - start) / share for edge, start in zip(box, (x, y, x, y), strict=True))
    return mark_box(np.asarray(canvas), inside)


def resized(image: Pixels, width: int, height: int) -> Pixels:
    """Return an image as (height, width, 3), with smooth edges."""
    return np.asarray(Image.fromarray(to_rgb(image)).resize((width, height), _SMOOTH))


def resized_map(values: Values, width: int, height: int) -> Values:
    """Return a map (H, W) as (height, width), interpolated."""
    return np.asarray(
        Image.fromarray(np.asarray(values, np.float32)).resize((width, height), _SMOOTH)
    )


def panel(
    rows: Sequence[Sequence[Pixels]],
    titles: Sequence[str],
    row_titles: Sequence[str] | None = None,
    legends: Legends | None = None,
) -> Pixels:
    """Arrange images as a table with titles on white, as in Figs. 2, 6 and 7 of the paper.

    Args:
        rows: Rows of frames, one frame for each column. All frames are resized to the size of the
            largest frame. If both sides of this size are below 160 pixels, all frames are enlarged
            further.
        titles: The title of each column. A title may have several lines.
        row_titles: The title of each row, drawn to the left of the row. None: no titles.
        legends: Functions that draw the legends, by the titles of their columns. A column may have
            no legend. None: no legends.
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
    if legends:
        strip = legend_row(titles, legends, cell_width)
        table.append([_text("", left, LEGEND_HEIGHT), strip])
    return np.vstack([np.hstack(row) for row in table])


def stacked(images: Sequence[Pixels], heading: str) -> Pixels:
    """Put images (H, W, 3) below each other on white, with a line of text at the top."""
    width = max(_text_size(heading)[0] + _GAP, *(image.shape[1] for image in images))
    padding = [((0, 0), (0, width - image.shape[1]), (0, 0)) for image in images]
    padded = [
        np.pad(image, space, constant_values=255)
        for image, space in zip(images, padding, strict=True)
    ]
    return np.vstack([_text(heading, width, 2 * _GAP + _text_size(heading)[1]), *padded])


def save_png(
    image: NDArray[np.uint8] | NDArray[np.uint16], path: Path | str, *, private: bool = False
) -> None:
    """Write an image (H, W) or (H, W, 3) as PNG. No incomplete file is left.

    Args:
        image: The image.
        path: The file.
        private: Only the user who runs this process may read the file.
    """
    write_atomically(Path(path), encoded(image, "PNG"), private=private)


def encoded(
    image: NDArray[np.uint8] | NDArray[np.uint16], file_format: str, **options: int
) -> bytes:
    """Return the bytes of an image file.

    Args:
        image: (H, W) or (H, W, 3).
        file_format: Pillow's name of the format: "PNG", "JPEG" or "WebP".
        **options: Pillow's options of this format, such as `quality`.
    """
    content = BytesIO()
    Image.fromarray(image).save(content, file_format, **options)
    return content.getvalue()


def to_rgb(image: Pixels) -> Pixels:
    """Return a copy of an image (H, W), (H, W, 1) or (H, W, 3) as (H, W, 3)."""
    return np.array(np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3)))


def _rounded(values: Values) -> Pixels:
    return np.rint(values).astype(np.uint8)


def _relative(values: Values, limit: float) -> Values:
    """Return values divided by the limit, clipped to [0, 1]."""
    require(limit > 0, f"limit is {limit}; give the value that is drawn in full colour, above 0")
    return np.nan_to_num(np.clip(values, 0, limit)) / limit


def _relative_field(field: Values, limit: float) -> Values:
    """Return a field divided by the limit. Vectors that are then longer than 1 get the length 1."""
    require(limit > 0, f"limit is {limit}; give the longest vector in pixels, above 0")
    field = np.nan_to_num(field, posinf=limit, neginf=-limit)
    return np.asarray(field / np.maximum(np.hypot(*field), limit))


def _colors(name: str, relative: Values) -> Pixels:
    """Return the colours of a colour map of matplotlib, (..., 3)."""
    return np.asarray(matplotlib.colormaps[name](relative, bytes=True), np.uint8)[..., :3]


def _heat_colors(relative: Values) -> Pixels:
    """Return the colours of `heatmap`, (..., 3): the middle part of `inferno`."""
    return _colors("inferno", 0.25 + 0.67 * relative)


def _hues(x: Values, y: Values) -> Values:
    """Return the colours of the directions of vectors, (..., 3)."""
    turns = np.arctan2(y, x) / (2 * np.pi)
    return np.asarray(_wheel_colors()[np.rint(turns * 256).astype(int) % 256])


def _draw_arrows(canvas: Image.Image, shift: Values, least: float) -> None:
    """Draw an arrow in each square whose mean shift is above `least`.

    Args:
        canvas: The image to draw on.
        shift: (2, H, W), at most 1 long.
        least: From 0 to 1.
    """
    draw = ImageDraw.Draw(canvas)
    columns, rows = (max(1, side // _ARROW) for side in canvas.size)
    x, y = (resized_map(axis, columns, rows) for axis in shift)
    size = np.array(canvas.size)
    for row, column in np.argwhere(np.hypot(x, y) > least):
        mean = np.array((x[row, column], y[row, column]))
        along = mean / np.hypot(*mean)
        across = np.array((-along[1], along[0]))
        middle = (np.array((column, row)) + 0.5) * size / (columns, rows)
        half = _ARROW / 2 * (_ARROW_SHORTEST * along + (1 - _ARROW_SHORTEST) * mean)
        tip, end = middle + half, middle - half
        sides = [tip - _ARROW_HEAD * (2 * along + side * across) for side in (-1, 1)]
        draw.line((*end, *tip), _INK, 2)
        draw.polygon([tuple(corner) for corner in (tip, *sides)], _INK)


@lru_cache
def _wheel_colors() -> Values:
    """Return the colours of 256 directions, (256, 3), interpolated from `_COMPASS`."""
    anchors = np.array([list(bytes.fromhex(color)) for color in _COMPASS.split()])
    turns, anchor_turns = np.arange(256) / 256, np.arange(len(anchors)) / len(anchors)
    channels = [np.interp(turns, anchor_turns, channel, period=1) for channel in anchors.T]
    return np.stack(channels, axis=-1).astype(np.float32)


def _tile_size(rows: Sequence[Sequence[Pixels]]) -> tuple[int, int]:
    """Return the width and height in pixels to which all images of a panel are resized."""
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


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("RGB", (width, height), "white")
    return canvas, ImageDraw.Draw(canvas)


def _text(text: str, width: int, height: int) -> Pixels:
    canvas, draw = _canvas(width, height)
    middle = (width // 2, height // 2)
    draw.multiline_text(middle, text, _INK, _font(), anchor="mm", align="center")
    return np.asarray(canvas)


def _text_size(text: str) -> tuple[int, int]:
    box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=_font())
    return int(box[2]), int(box[3])


@lru_cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 14)
