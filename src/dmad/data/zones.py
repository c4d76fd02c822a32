"""Zones: polygons that select the part of a view in which anomalies are searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from dmad.errors import require

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Zone:
    """The pixels inside any polygon of `include` and outside all polygons of `exclude`.

    Args:
        include: Polygons with corners (x, y), from (0, 0) at the upper left to (1, 1) at the lower
            right. Empty includes the whole view.
        exclude: Polygons in the same form.
    """

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()

    @classmethod
    def parse(cls, include: str | Sequence[str], exclude: str | Sequence[str]) -> Self:
        """Make a zone from one or several polygons each, as text that `parse_polygon` reads."""
        return cls(_parse_polygons(include), _parse_polygons(exclude))

    @classmethod
    def from_dict(cls, tree: Mapping[str, Iterable[Iterable[tuple[float, float]]]]) -> Self:
        """Make a zone from its polygons as lists, as they are stored in JSON."""
        return cls(_polygons(tree["include"]), _polygons(tree["exclude"]))

    def __bool__(self) -> bool:
        """True if the zone has polygons; False if it is the whole view."""
        return bool(self.include or self.exclude)

    def mask(self, size: int) -> np.ndarray | None:
        """Return a mask (size, size), True for pixels inside the zone; None for the whole view.

        Raises:
            DmadError: No pixel is inside the zone.
        """
        if not self:
            return None
        from PIL import Image, ImageDraw  # an exported model without zones does not need it

        image = Image.new("1", (size, size), not self.include)
        draw = ImageDraw.Draw(image)
        for polygons, value in ((self.include, 1), (self.exclude, 0)):
            for polygon in polygons:
                corners = [(x * (size - 1), y * (size - 1)) for x, y in polygon]
                draw.polygon(corners, fill=value)
        mask = np.array(image, bool)
        require(bool(mask.any()), "no pixel is inside the zone; include more of the view")
        return mask


ALL = Zone()  # the whole view


def parse_polygon(text: str) -> Polygon:
    """Read a polygon from a text such as "0,0.5 1,0.5 1,1 0,1": corners x,y from 0 to 1.

    Raises:
        DmadError: There are fewer than three corners, or one is not a pair of numbers from 0 to 1.
    """
    try:
        corners = [[float(number) for number in corner.split(",")] for corner in text.split()]
    except ValueError:
        corners = []
    valid = [len(corner) == 2 and all(0 <= number <= 1 for number in corner) for corner in corners]
    require(
        len(corners) >= 3 and all(valid),
        f"cannot read the polygon {text!r}; give three corners or more, each x,y from 0 to 1, such "
        'as "0,0.5 1,0.5 1,1"',
    )
    return tuple((x, y) for x, y in corners)


def _parse_polygons(texts: str | Sequence[str]) -> tuple[Polygon, ...]:
    listed = [texts] if isinstance(texts, str) else texts
    return tuple(parse_polygon(text) for text in listed)


def _polygons(lists: Iterable[Iterable[tuple[float, float]]]) -> tuple[Polygon, ...]:
    return tuple(tuple((x, y) for x, y in polygon) for polygon in lists)
