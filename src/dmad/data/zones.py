"""Zones: the part of a view or image in which anomalies are searched."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from dmad.errors import DmadError, require

PICTURE_SIDE = 256  # height and width of the picture of a zone
PICTURE_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp")

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Zone:
    """The pixels inside any polygon of `include` and outside all polygons of `exclude`.

    Args:
        include: Polygons with corners (x, y), from (0, 0) at the upper left to (1, 1) at the lower
            right. Empty includes the whole view.
        exclude: Polygons in the same form.
        picture: Base64 of `PICTURE_SIDE` x `PICTURE_SIDE` bits, row by row. Only pixels whose bit
            is 1 are inside. Empty: all pixels.
    """

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()
    picture: str = ""

    @classmethod
    def parse(cls, include: str | Sequence[str], exclude: str | Sequence[str]) -> Self:
        """Make a zone from polygons and mask files.

        A polygon is a text that `parse_polygon` reads. A mask file is an image, and its mask is all
        pixels above 0.

        Args:
            include: One or several polygons and mask files. A pixel is inside the zone if it is
                inside any of them.
            exclude: One or several polygons and mask files. A pixel is outside the zone if it is
                inside any of them.

        Raises:
            DmadError: A text or a file cannot be read, or no pixel is inside the masks.
        """
        included, excluded = _listed(include), _listed(exclude)
        polygons, outside = (
            tuple(parse_polygon(text) for text in texts if not _is_file(text))
            for texts in (included, excluded)
        )
        inside = np.ones((PICTURE_SIDE, PICTURE_SIDE), bool)
        if masks := [_read_picture(text) for text in included if _is_file(text)]:
            drawn = cls(polygons).mask(PICTURE_SIDE) if polygons else None
            inside = np.any([*masks, *([] if drawn is None else [drawn])], axis=0)
            polygons = ()
        for text in filter(_is_file, excluded):
            inside &= ~_read_picture(text)
        require(bool(inside.any()), "no pixel is inside the mask files; include more")
        bits = "" if inside.all() else b64encode(np.packbits(inside).tobytes()).decode()
        return cls(polygons, outside, bits)

    def __post_init__(self) -> None:
        for polygon in (*self.include, *self.exclude):
            inside = all(0 <= x <= 1 and 0 <= y <= 1 for x, y in polygon)
            require(
                len(polygon) >= 3 and inside,
                f"a polygon of the zone is {polygon}; give three corners or more, from 0 to 1",
            )

    def __bool__(self) -> bool:
        """True if the zone has polygons or a picture; False if it is the whole view."""
        return bool(self.include or self.exclude or self.picture)

    def mask(self, size: int) -> np.ndarray | None:
        """Return a mask (size, size), True for pixels inside the zone; None for the whole view.

        Raises:
            DmadError: No pixel is inside the zone.
        """
        if not self:
            return None
        from PIL import Image, ImageDraw  # an exported model without zones does not need Pillow

        image = Image.new("1", (size, size), not self.include)
        draw = ImageDraw.Draw(image)
        for polygons, value in ((self.include, 1), (self.exclude, 0)):
            for polygon in polygons:
                corners = [(x * (size - 1), y * (size - 1)) for x, y in polygon]
                draw.polygon(corners, fill=value)
        mask = np.array(image, bool)
        if self.picture:
            places = np.arange(size) * PICTURE_SIDE // size
            mask &= self._bits()[np.ix_(places, places)]
        require(bool(mask.any()), "no pixel is inside the zone; include more of the view")
        return mask

    def tile_masks(self, size: int, tiles: int) -> np.ndarray:
        """A mask for each of tiles x tiles tiles of an image, (tiles², size, size), row by row.

        Raises:
            DmadError: No pixel is inside the zone.
        """
        whole = self.mask(size * tiles)
        if whole is None:
            return np.ones((tiles**2, size, size), bool)
        if tiles == 1:
            return whole[None]
        from dmad.data.tiles import tile_starts

        starts, length = tile_starts(tiles)
        inside = (np.arange(size) + 0.5) / size * length
        places = [((start + inside) * size * tiles).astype(int) for start in starts]
        return np.stack([whole[np.ix_(y, x)] for y in places for x in places])

    def _bits(self) -> np.ndarray:
        """The picture, (PICTURE_SIDE, PICTURE_SIDE) bool.

        Raises:
            DmadError: The picture is damaged.
        """
        try:
            packed = np.frombuffer(b64decode(self.picture, validate=True), np.uint8)
            return np.unpackbits(packed).reshape(PICTURE_SIDE, PICTURE_SIDE).astype(bool)
        except ValueError as error:
            raise DmadError("the picture of a zone is damaged; calibrate again") from error


ALL = Zone()  # the whole view


def parse_polygon(text: str) -> Polygon:
    """Read a polygon from a text such as "0,0.5 1,0.5 1,1 0,1": corners x,y from 0 to 1.

    Raises:
        DmadError: There are fewer than three corners, or a corner is not two numbers from 0 to 1.
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


def _listed(texts: str | Sequence[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _is_file(text: str) -> bool:
    return text.strip().lower().endswith(PICTURE_SUFFIXES)


def _read_picture(path: str) -> np.ndarray:
    """The pixels above 0 in an image file, (PICTURE_SIDE, PICTURE_SIDE) bool."""
    from dmad.data.masks import read_mask, resize_mask

    return resize_mask(read_mask(Path(path.strip())), PICTURE_SIDE)
