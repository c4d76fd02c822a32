"""Drawings of what the model sees: heat, deformation fields, panels like the paper's, curves.

Pure functions on numpy arrays. Each returns an image (H, W, 3), uint8 RGB. A field is
(2, H, W) in pixels, channel 0 = x (right), 1 = y (down); a frame is (H, W), (H, W, 1) or
(H, W, 3), uint8. `limit`, above 0, is the value drawn at full strength, the same for all frames
that are to be compared; NaN is drawn as zero. `zoom` enlarges the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
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

_FINE = 2  # Lines are drawn at this multiple of the size and averaged down.

_CELL, _GAP = 160, 10  # Smallest side of a panel's images, and the space between them, px.

# Colours of directions from right over down, left and up: the upper half lighter than the lower.
_COMPASS = "E69F00 CC4A4A 8E2C86 4B3FA0 0072B2 2AA7C4 3DBD86 B9C63A"


def heatmap(frame: Pixels, anomaly: Values, limit: float) -> Pixels:
    """Lay a map (H, W), 0 or more, over a frame; where it is zero the frame stays as it is."""
    heat = _unit(anomaly, limit)
    alpha = 0.85 * heat[..., None]
    return _pixels((1 - alpha) * rgb(frame) + alpha * _inferno(0.25 + 0.67 * heat))


def error_image(error: Values, limit: float) -> Pixels:
    """Draw an error map (H, W), 0 or more, from black (zero) over red to yellow (`limit`)."""
    return _inferno(_unit(error, limit))


def color_wheel(field: Values, limit: float) -> Pixels:
    """Draw a field (2, H, W), px: hue is the direction, saturation the length, white is zero."""
    x, y = _bounded(field, limit) / limit
    turn = np.arctan2(y, x) / (2 * np.pi)
    hue = _wheel_table()[np.rint(turn * 256).astype(int) % 256]
    length = np.hypot(x, y)[..., None]
    return _pixels(255 - length * (255 - hue))


def wheel_legend(size: int = 128) -> Pixels:
    """Draw the key of `color_wheel`: a disc of `size` px, each point's vector from the centre."""
    axis = np.linspace(-1.02, 1.02, _FINE * size)
    disc = np.stack(np.meshgrid(axis, axis))
    disc[:, np.hypot(*disc) > 1] = 0
    return np.array(Image.fromarray(color_wheel(disc, 1.0)).reduce(_FINE))


def arrows(
    frame: Pixels, field: Values, limit: float, step: int = 16, gain: float = 6.0, zoom: int = 1
) -> Pixels:
    """Draw a field as sparse arrows on a frame, (zoom * H, zoom * W, 3).

    Args:
        frame: The image below.
        field: (2, H, W), px. Vectors too short to be seen are left out.
        limit: Longer vectors are drawn with this length, px.
        step: Pixels between the arrows' tails.
        gain: Factor by which the arrows are enlarged, so that a bend of 2 px is seen.
        zoom: A frame of 32 px needs 4 or more.
    """
    shape, size = field.shape[1:], frame.shape[:2]
    require(shape == size, f"field is {shape}, frame is {size}; bring them to one size")
    canvas = _enlarged(rgb(frame), zoom * _FINE)
    draw = ImageDraw.Draw(canvas)
    for arrow in _arrow_points(_bounded(field, limit), step, gain, zoom * _FINE):
        draw.line(arrow[:4], fill=_HALO, width=2 * _FINE + 1)
        draw.polygon(arrow[4:], fill=_ARROW, outline=_HALO)
        draw.line(arrow[:4], fill=_ARROW, width=_FINE)
    return np.array(canvas.reduce(_FINE))


def panel(
    rows: Sequence[Sequence[Pixels]], titles: Sequence[str], row_titles: Sequence[str] | None = None
) -> Pixels:
    """Lay images out as a labelled table on white, as in the paper's Figs. 2, 6 and 7.

    Args:
        rows: Frames, one a column, shown at one size: the largest, enlarged to 160 px if smaller.
        titles: One a column; a line break is kept.
        row_titles: One a row, to its left.
    """
    labels = [""] * len(rows) if row_titles is None else list(row_titles)
    require(len(labels) == len(rows), f"{len(labels)} row titles for {len(rows)} rows")
    counts = {len(row) for row in rows}
    require(counts == {len(titles)}, f"rows of {counts} images for {len(titles)} titles")
    size = np.max([image.shape[1::-1] for row in rows for image in row], axis=0)
    width, height = (size * max(1, -(-_CELL // size.max()))).tolist()
    pitch = max(width, *(_extent(title)[0] for title in titles)) + _GAP
    top = max(_extent(title)[1] for title in titles) + _GAP
    side = max(_extent(label)[0] for label in labels) + _GAP
    table = [[_words("", side, top), *(_words(title, pitch, top) for title in titles)]]
    for label, row in zip(labels, rows, strict=True):
        tiles = [_tile(image, (width, height), pitch) for image in row]
        table.append([_words(label, side, height + _GAP), *tiles])
    return np.vstack([np.hstack(row) for row in table])


def save(image: Pixels, path: Path | str) -> None:
    """Write an image (H, W) or (H, W, 3), uint8, as PNG: beside first, then renamed."""
    content = BytesIO()
    Image.fromarray(image).save(content, format="PNG")
    write_atomically(Path(path), content.getvalue())


def rgb(image: Pixels) -> Pixels:
    """A picture (H, W), (H, W, 1) or (H, W, 3) as (H, W, 3), a copy."""
    return np.array(np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3)))


def _pixels(values: Values) -> Pixels:
    return np.rint(values).astype(np.uint8)


def _unit(values: Values, limit: float) -> Values:
    require(limit > 0, f"limit is {limit}; give the value of full strength, above 0")
    return np.nan_to_num(np.clip(values, 0, limit)) / limit


def _bounded(field: Values, limit: float) -> Values:
    require(limit > 0, f"limit is {limit}; give the longest vector in pixels, above 0")
    field = np.nan_to_num(field, posinf=limit, neginf=-limit)
    return np.asarray(field * (limit / np.maximum(np.hypot(*field), limit)))


def _inferno(unit: Values) -> Pixels:
    return np.asarray(matplotlib.colormaps["inferno"](unit, bytes=True), np.uint8)[..., :3]


@lru_cache
def _wheel_table() -> Values:
    anchors = np.array([list(bytes.fromhex(color)) for color in _COMPASS.split()])
    turns, at = np.arange(256) / 256, np.arange(len(anchors)) / len(anchors)
    table = [np.interp(turns, at, channel, period=1) for channel in anchors.T]
    return np.stack(table, axis=-1).astype(np.float32)


def _enlarged(image: Pixels, factor: int) -> Image.Image:
    height, width = image.shape[:2]
    return Image.fromarray(image).resize((factor * width, factor * height), 0)


def _arrow_points(field: Values, step: int, gain: float, scale: int) -> list[list[float]]:
    """Return x, y of each arrow's tail, neck, tip and two barbs on the enlarged canvas."""
    height, width = field.shape[1:]
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step].reshape(2, -1)
    moves = scale * gain * (field[0, y, x] + 1j * field[1, y, x])
    seen = np.abs(moves) >= 2 * _FINE
    tails, moves = scale * (x + 0.5 + 1j * (y + 0.5))[seen], moves[seen]
    head = moves * np.minimum(0.5, 4 * _FINE / np.abs(moves))
    tips, necks, wing = tails + moves, tails + moves - head, 0.6j * head
    points = np.stack([tails, necks, tips, necks + wing, necks - wing], axis=1)
    return list(points.view(np.float64).tolist())


def _tile(image: Pixels, size: tuple[int, int], pitch: int) -> Pixels:
    """Centre an image, resized to (width, height), on white, `pitch` wide, with a hairline."""
    width, height = size
    x, y = (pitch - width) // 2, _GAP // 2
    method = Image.Resampling.NEAREST if 2 * len(image) <= height else Image.Resampling.LANCZOS
    canvas = Image.new("RGB", (pitch, height + _GAP), "white")
    ImageDraw.Draw(canvas).rectangle((x - 1, y - 1, x + width, y + height), outline=_HAIRLINE)
    canvas.paste(Image.fromarray(rgb(image)).resize(size, method), (x, y))
    return np.asarray(canvas)


def _words(text: str, width: int, height: int) -> Pixels:
    canvas = Image.new("RGB", (width, height), "white")
    draw, center = ImageDraw.Draw(canvas), (width // 2, height // 2)
    draw.multiline_text(center, text, "#222222", _font(), anchor="mm", align="center")
    return np.asarray(canvas)


def _extent(text: str) -> tuple[int, int]:
    box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=_font())
    return int(box[2]), int(box[3])


@lru_cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 14)
