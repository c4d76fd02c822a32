"""Synthetic defects of images: good ones with one place bent, cut or scratched.

They need no labels, so settings can be chosen by them without a look at any test set.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, map_coordinates

Kind = Literal["bend", "cut", "scratch"]

KINDS: tuple[Kind, ...] = get_args(Kind)

RADIUS = (0.06, 0.14)  # of a bent or cut place, as a share of the image's side

SHIFT = (0.4, 0.8)  # how far its middle is bent, as a share of the radius

LENGTH = (0.1, 0.3)  # of a scratch, as a share of the side

CHANGE = (40, 100)  # brightness of a scratch against what it lies on

VISIBLE = 8  # grey levels by which a pixel must change to belong to the defect


def defective(image: np.ndarray, kind: Kind, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A good image with one defect, and where it is.

    Args:
        image: (H, W, C) uint8.
        kind: `bend` warps a disc locally, `cut` lays a turned piece of the image elsewhere,
            `scratch` draws a thin broken line, darker or lighter than what it lies on.
        seed: Of place, size and direction.

    Returns:
        The image (H, W, C) uint8 and its mask (H, W), True where it was visibly changed.
    """
    rng = np.random.default_rng(seed)
    make = {"bend": _bend, "cut": _cut, "scratch": _scratch}[kind]
    made = make(image, _place(image, rng), rng)
    changed = np.abs(made.astype(int) - image).max(-1)
    return made, np.asarray(changed >= VISIBLE)


def _place(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Row and column, drawn where the image has structure."""
    grey = image.mean(-1)
    detail = gaussian_filter(np.hypot(*np.gradient(grey)), len(grey) / 64)
    weight = detail.ravel() + 1e-6
    drawn = rng.choice(weight.size, p=weight / weight.sum())
    return np.array(np.unravel_index(drawn, grey.shape))


def _polar(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(2, H, W): rows and columns as seen from a place."""
    return np.asarray(np.indices(image.shape[:2]) - place[:, None, None])


def _bend(image: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    radius = rng.uniform(*RADIUS) * len(image)
    turn = rng.uniform(0, 2 * np.pi)
    away = np.hypot(*_polar(image, place)) / radius
    push = rng.uniform(*SHIFT) * radius * np.clip(1 - away**2, 0, 1) ** 2
    moved = np.stack((push * np.sin(turn), push * np.cos(turn)))
    points = np.indices(image.shape[:2]) + moved
    return _sampled(image, points, away < 1)


def _cut(image: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    radius = rng.uniform(*RADIUS) * len(image)
    shape, turn = rng.uniform(0.4, 1, 2), rng.uniform(0, 2 * np.pi)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    there = np.tensordot(spin, _polar(image, place), 1)
    inside = np.all(np.abs(there) < radius * shape[:, None, None], axis=0)
    return _sampled(image, there + _place(image, rng)[:, None, None], np.asarray(inside))


def _sampled(image: np.ndarray, points: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The image (H, W, C), and inside a region the image at points (2, H, W)."""
    channels = np.moveaxis(image, -1, 0)
    sampled = [map_coordinates(one, points, order=1, mode="reflect") for one in channels]
    return np.where(inside[..., None], np.stack(sampled, -1), image)


def _scratch(image: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = len(image)
    steps, turn = int(rng.integers(3, 7)), rng.uniform(0, 2 * np.pi)
    turns = turn + np.cumsum(rng.normal(0, 0.4, steps))
    moves = np.stack((np.cos(turns), np.sin(turns)), 1) * rng.uniform(*LENGTH) * size / steps
    line = place[::-1] + np.cumsum(np.vstack((np.zeros((1, 2)), moves)), 0)
    drawn = Image.new("L", (image.shape[1], size))
    width = max(1, round(rng.uniform(0.5, 1.5) * size / 128))
    ImageDraw.Draw(drawn).line([tuple(point) for point in line], 255, width)
    soft = gaussian_filter(np.asarray(drawn) / 255, 0.5)[..., None]
    change = rng.choice((-1, 1)) * rng.uniform(*CHANGE)
    return np.asarray(np.clip(image + change * soft, 0, 255).round(), np.uint8)
