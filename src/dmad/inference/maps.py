"""Functions for maps and fields that do not need torch, for exported models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    find_objects,
    gaussian_filter,
    label,
    map_coordinates,
    uniform_filter1d,
)

Maps = NDArray[np.float32]

TOUCHING = np.ones((3, 3), int)  # pixels of a region touch at a side or a corner


def averaged(maps: np.ndarray, kernel: tuple[int, int]) -> Maps:
    """Return the average of maps over a kernel (A ⊗ k*). Pixels outside the frame are zero.

    The result is that of `dmad.model.scoring.box_filter`.

    Args:
        maps: (B, H, W).
        kernel: Height and width of the averaging kernel in pixels.

    Returns:
        (B, H, W).
    """
    means = np.asarray(maps, np.float32)
    for axis, size in zip((1, 2), kernel, strict=True):
        # scipy has the larger half of an even kernel before the pixel, and Eq. 14 after it
        origin = -1 if size % 2 == 0 else 0
        means = uniform_filter1d(means, size, axis, mode="constant", origin=origin)
    return means


def blurred(maps: np.ndarray, sigma: float) -> Maps:
    """Return maps (B, H, W) after a Gaussian blur. The border is repeated outside the image.

    The result is that of `dmad.model.scoring.gaussian_blur`.

    Args:
        maps: (B, H, W).
        sigma: Standard deviation in pixels.

    Returns:
        (B, H, W).
    """
    smooth = gaussian_filter(maps, sigma, axes=(1, 2), mode="nearest", radius=round(4 * sigma))
    return np.asarray(smooth, np.float32)


def box_of_maximum(anomaly: np.ndarray) -> tuple[float, float, float, float]:
    """Return the box of the region around the maximum of a map (H, W).

    In this region, the map is at least half of its maximum. The box covers the whole map if no
    value is above 0, or if the map contains NaN.

    Returns:
        Left, top, right and bottom of the box, as shares of width and height in [0, 1].
    """
    height, width = anomaly.shape
    if not anomaly.max() > 0:
        return 0.0, 0.0, 1.0, 1.0
    labels, _ = label(anomaly >= anomaly.max() / 2, TOUCHING)
    y, x = find_objects(labels)[labels.flat[anomaly.argmax()] - 1]
    return x.start / width, y.start / height, x.stop / width, y.stop / height


def composed(fields: np.ndarray) -> Maps:
    """Return one field with the effect of several fields.

    The result is the last field that `dmad.model.deformation.compose_all` returns.

    Args:
        fields: (B, K, 2, H, W) in grid units, in the order in which they are applied.

    Returns:
        (B, 2, H, W) in grid units.
    """
    total = np.asarray(fields[:, 0], np.float32)
    for k in range(1, fields.shape[1]):
        after = np.asarray(fields[:, k], np.float32)
        total = np.stack([_warped(*pair) for pair in zip(total, after, strict=True)]) + after
    return total


def in_pixels(field: np.ndarray) -> Maps:
    """Convert a field (B, 2, H, W) from grid units to pixels."""
    height, width = field.shape[-2:]
    scale = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    return np.asarray(field * scale[:, None, None], np.float32)


def _warped(image: np.ndarray, field: np.ndarray) -> Maps:
    """Eq. 7: sample an image (C, H, W) bilinearly where a field (2, H, W) points."""
    height, width = field.shape[-2:]
    x, y = in_pixels(field[None])[0]
    columns = np.clip(np.arange(width) + x, 0, width - 1)
    rows = np.clip(np.arange(height)[:, None] + y, 0, height - 1)
    channels = [map_coordinates(channel, [rows, columns], order=1) for channel in image]
    return np.asarray(channels, np.float32)
