"""Which part of the view counts: polygons in relative coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from dmad.config import require

Polygon = tuple[tuple[float, float], ...]


def parse_polygon(text: str) -> Polygon:
    """From "0,0.5 1,0.5 1,1 0,1": corners x,y from the upper left (0,0) to the lower right (1,1).

    Raises:
        DmadError: Fewer than three corners, or one that is no pair of numbers from 0 to 1.
    """
    try:
        corners = tuple(tuple(map(float, corner.split(","))) for corner in text.split())
    except ValueError:
        corners = ()
    good = [corner for corner in corners if len(corner) == 2 and all(0 <= v <= 1 for v in corner)]
    require(
        len(corners) >= 3 and len(good) == len(corners),
        f"cannot read the polygon {text!r}; give three corners x,y or more from 0 to 1, "
        'such as "0,0.5 1,0.5 1,1"',
    )
    return tuple((corner[0], corner[1]) for corner in good)


def zone_mask(include: Sequence[Polygon], exclude: Sequence[Polygon], size: int) -> np.ndarray:
    """What lies in any of `include` (all where empty) and in none of `exclude`: (size, size) bool.

    Raises:
        DmadError: Nothing is left.
    """
    mask = Image.new("1", (size, size), not include)
    draw = ImageDraw.Draw(mask)
    for polygons, inside in ((include, 1), (exclude, 0)):
        for polygon in polygons:
            draw.polygon([(x * (size - 1), y * (size - 1)) for x, y in polygon], fill=inside)
    found = np.array(mask, bool)
    require(bool(found.any()), "the polygons leave nothing of the view; include more of it")
    return found
