"""Synthetic defects of images: good images in which one place is bent, replaced or scratched.

They are made from good images. So settings can be chosen with these defects instead of a test set.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, map_coordinates

from dmad.data.reading.frame_format import Frame

Kind = Literal["bend", "cut", "scratch"]

KINDS: tuple[Kind, ...] = get_args(Kind)
RADIUS = (0.06, 0.14)  # of a bent or replaced place, as a share of the image's side
SHIFT = (0.4, 0.8)  # displacement of the middle of a bent place, as a share of its radius
LENGTH = (0.1, 0.3)  # of a scratch, as a share of the image's side
CONTRAST = (40, 100)  # difference of a scratch and its surroundings, in grey levels
VISIBLE = 8  # a pixel belongs to the defect if it changes by at least this many grey levels


def defective(image: Frame, kind: Kind, seed: int) -> tuple[Frame, np.ndarray]:
    """Make one defect in a good image.

    Args:
        image: (H, W, C) uint8.
        kind: `bend` warps a disc. `cut` pastes a rotated piece of the image at another place.
            `scratch` draws a thin bent line that is darker or brighter than its surroundings.
        seed: Seed of place, size and direction.

    Returns:
        The changed image (H, W, C) uint8, and a mask (H, W) of the pixels that changed visibly.
    """
    rng = np.random.default_rng(seed)
    make = {"bend": _bend, "cut": _cut, "scratch": _scratch}[kind]
    changed = make(image, _place(image, rng), rng)
    difference = np.abs(changed.astype(int) - image).max(-1)
    return changed, np.asarray(difference >= VISIBLE)


def _place(image: Frame, rng: Generator) -> np.ndarray:
    """Choose a random row and column. Places with many details are chosen more often."""
    grey = image.mean(-1)
    details = gaussian_filter(np.hypot(*np.gradient(grey)), len(grey) / 64)
    weight = details.ravel() + 1e-6
    drawn = rng.choice(weight.size, p=weight / weight.sum())
    return np.array(np.unravel_index(drawn, grey.shape))


def _relative(image: Frame, place: np.ndarray) -> np.ndarray:
    """Row and column of each pixel minus row and column of a place, (2, H, W)."""
    return np.asarray(np.indices(image.shape[:2]) - place[:, None, None])


def _bend(image: Frame, place: np.ndarray, rng: Generator) -> Frame:
    radius = rng.uniform(*RADIUS) * len(image)
    direction = rng.uniform(0, 2 * np.pi)
    distance = np.hypot(*_relative(image, place)) / radius
    shift = rng.uniform(*SHIFT) * radius * np.clip(1 - distance**2, 0, 1) ** 2
    shifts = np.stack((shift * np.sin(direction), shift * np.cos(direction)))
    return _resample(image, np.indices(image.shape[:2]) + shifts, distance < 1)


def _cut(image: Frame, place: np.ndarray, rng: Generator) -> Frame:
    radius = rng.uniform(*RADIUS) * len(image)
    shape, angle = rng.uniform(0.4, 1, 2), rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = np.tensordot(rotation, _relative(image, place), 1)
    inside = np.all(np.abs(turned) < radius * shape[:, None, None], axis=0)
    source = _place(image, rng)[:, None, None]
    return _resample(image, turned + source, np.asarray(inside))


def _resample(image: Frame, points: np.ndarray, inside: np.ndarray) -> Frame:
    """Replace the pixels of an image (H, W, C) at which `inside` (H, W) is True.

    Each pixel gets the value of the image at its point: row and column in `points` (2, H, W).
    """
    channels = np.moveaxis(image, -1, 0)
    sampled = [map_coordinates(channel, points, order=1, mode="reflect") for channel in channels]
    return np.where(inside[..., None], np.stack(sampled, -1), image)


def _scratch(image: Frame, place: np.ndarray, rng: Generator) -> Frame:
    size = len(image)
    steps, direction = int(rng.integers(3, 7)), rng.uniform(0, 2 * np.pi)
    directions = direction + np.cumsum(rng.normal(0, 0.4, steps))
    unit_moves = np.stack((np.cos(directions), np.sin(directions)), 1)
    moves = unit_moves * rng.uniform(*LENGTH) * size / steps
    points = place[::-1] + np.cumsum(np.vstack((np.zeros((1, 2)), moves)), 0)
    line = Image.new("L", (image.shape[1], size))
    width = max(1, round(rng.uniform(0.5, 1.5) * size / 128))
    ImageDraw.Draw(line).line([tuple(point) for point in points], 255, width)
    soft = gaussian_filter(np.asarray(line) / 255, 0.5)[..., None]
    change = rng.choice((-1, 1)) * rng.uniform(*CONTRAST)
    return np.asarray(np.clip(image + change * soft, 0, 255).round(), np.uint8)
