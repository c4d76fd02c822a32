"""Which part of the view counts: polygons in relative coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image, ImageDraw

from dmad.errors import require

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Zone:
    """What lies in any of `include` (all where there are none) and in none of `exclude`.

    Args:
        include: Polygons, corners (x, y) in [0, 1] from the upper left to the lower right.
        exclude: The same.
    """

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()

    @classmethod
    def parse(cls, include: str | Sequence[str], exclude: str | Sequence[str]) -> Self:
        """From one polygon a side or several, as `parse_polygon` takes them."""
        sides = ([side] if isinstance(side, str) else side for side in (include, exclude))
        return cls(*(tuple(map(parse_polygon, side)) for side in sides))

    @classmethod
    def from_dict(cls, tree: Mapping[str, Iterable[Iterable[tuple[float, float]]]]) -> Self:
        """From what JSON made of one."""
        sides = (tree["include"], tree["exclude"])
        return cls(*(tuple(tuple((x, y) for x, y in p) for p in side) for side in sides))

    def __bool__(self) -> bool:
        """Whether only a part of the view counts."""
        return bool(self.include or self.exclude)

    def mask(self, size: int) -> np.ndarray | None:
        """(size, size) bool, True where the view counts; None where all of it does.

        Raises:
            DmadError: Nothing is left.
        """
        if not self:
            return None
        mask = Image.new("1", (size, size), not self.include)
        draw = ImageDraw.Draw(mask)
        for polygons, inside in ((self.include, 1), (self.exclude, 0)):
            for polygon in polygons:
                draw.polygon([(x * (size - 1), y * (size - 1)) for x, y in polygon], fill=inside)
        found = np.array(mask, bool)
        require(bool(found.any()), "the polygons leave nothing of the view; include more of it")
        return found


ALL = Zone()  # of the view


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
