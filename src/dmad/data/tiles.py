"""Cuts large images into overlapping tiles, and blends the maps of the tiles into one."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dmad.data.reading.frame_format import Frame

OVERLAP = 0.25  # share of a tile's width or height that the next tile also covers


def tile_starts(tiles: int) -> tuple[np.ndarray, float]:
    """Starts (tiles,) and length of the tiles along the width or height of an image.

    Starts and length are shares of this width or height.
    """
    length = 1 / (1 + (tiles - 1) * (1 - OVERLAP))
    return np.linspace(0, 1 - length, tiles), length


def cut_tiles(image: Image.Image, tiles: int, size: int) -> list[Frame]:
    """Cut an image into tiles x tiles pieces (size, size, C), row by row."""
    starts, length = tile_starts(tiles)
    width, height = image.size
    pieces = []
    for y in starts:
        for x in starts:
            box = (x * width, y * height, (x + length) * width, (y + length) * height)
            piece = image.resize((size, size), Image.Resampling.BILINEAR, box)
            pieces.append(np.asarray(piece).reshape(size, size, -1))
    return pieces


def blend(maps: np.ndarray, size: int) -> np.ndarray:
    """Blend the maps of all tiles into one map of the whole image.

    Where tiles overlap, their weighted mean is used. The weight of a tile falls towards its border.

    Args:
        maps: (tiles², h, w), row by row.
        size: Height and width of the result.

    Returns:
        (size, size) float32. A single map of this size is returned unchanged.
    """
    tiles = round(len(maps) ** 0.5)
    if tiles == 1 and maps.shape[1:] == (size, size):
        return np.asarray(maps[0])
    starts, length = tile_starts(tiles)
    sides = [slice(round(size * start), round(size * (start + length))) for start in starts]
    places = [(rows, columns) for rows in sides for columns in sides]
    total = np.zeros((size, size), np.float32)
    total_weight = np.zeros((size, size), np.float32)
    for tile_map, place in zip(maps, places, strict=True):
        height, width = total[place].shape
        weight = np.outer(_weights(height), _weights(width))
        image = Image.fromarray(np.asarray(tile_map, np.float32))
        resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
        total[place] += weight * resized
        total_weight[place] += weight
    return np.asarray(total / total_weight)


def _weights(length: int) -> np.ndarray:
    """Weights (length,) that rise from the border to 1 within the overlap and are never 0."""
    position = (np.arange(length) + 0.5) / length
    distance = np.minimum(position, 1 - position)
    return np.asarray(np.clip(distance / OVERLAP, 1e-3, 1), np.float32)
