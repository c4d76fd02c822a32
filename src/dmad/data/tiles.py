"""Large images as overlapping tiles, and their maps blended into one."""

from __future__ import annotations

import numpy as np
from PIL import Image

OVERLAP = 0.25  # share of a tile's side that its neighbour sees too


def spans(tiles: int) -> tuple[np.ndarray, float]:
    """Starts (tiles,) and length of the tiles along a side, as shares of it."""
    length = 1 / (1 + (tiles - 1) * (1 - OVERLAP))
    return np.linspace(0, 1 - length, tiles), length


def cut(image: Image.Image, tiles: int, size: int) -> list[np.ndarray]:
    """An image as tiles x tiles pieces of `size` pixels, row by row: (size, size, C) uint8 each."""
    starts, length = spans(tiles)
    width, height = image.size
    pieces = [
        image.resize(
            (size, size),
            Image.Resampling.BILINEAR,
            (x * width, y * height, (x + length) * width, (y + length) * height),
        )
        for y in starts
        for x in starts
    ]
    return [np.asarray(piece).reshape(size, size, -1) for piece in pieces]


def blend(maps: np.ndarray, size: int) -> np.ndarray:
    """Maps of all tiles as one; where tiles overlap, each fades out towards its border.

    Args:
        maps: (tiles², h, w), row by row.
        size: Height and width of the result.

    Returns:
        (size, size) float32; a single map of that size as it is.
    """
    tiles = round(len(maps) ** 0.5)
    if tiles == 1 and maps.shape[1:] == (size, size):
        return np.asarray(maps[0])
    starts, length = spans(tiles)
    edges = [(round(size * s), round(size * (s + length))) for s in starts]
    places = [(slice(*rows), slice(*columns)) for rows in edges for columns in edges]
    total, weight = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for one, place in zip(maps, places, strict=True):
        height, width = weight[place].shape
        fade = np.outer(_fade(height), _fade(width))
        drawn = Image.fromarray(np.asarray(one, np.float32))
        total[place] += fade * np.asarray(drawn.resize((width, height), Image.Resampling.BILINEAR))
        weight[place] += fade
    return np.asarray(total / weight)


def _fade(length: int) -> np.ndarray:
    """(length,) rising from the border to 1 within the overlap, never 0."""
    place = (np.arange(length) + 0.5) / length
    return np.asarray(np.clip(np.minimum(place, 1 - place) / OVERLAP, 1e-3, 1), np.float32)
