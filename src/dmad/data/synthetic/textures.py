"""Textures in MVTec's layout, cut from pictures that come with scikit-image, with made defects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dmad.data.synthetic.defects import defective
from dmad.errors import DmadError

TEXTURES = ("brick", "grass", "gravel")

SIDE = 64  # pixels of a tile; a texture of 512 x 512 gives 64 that do not overlap

TESTED = 16  # tiles kept for testing: good as they are, and each with every kind of defect

SPOT = (0.12, 0.25)  # radii of a spot of another texture, as a share of a tile


def write_textures(out: Path) -> Path:
    """Write a category a texture: good tiles to train on, other ones to test, and defects in them.

    Args:
        out: Folder to write to, laid out as MVTec AD.

    Returns:
        `out`.

    Raises:
        DmadError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise DmadError("the textures come with scikit-image; pip install scikit-image") from error
    tiles = {name: _tiles(getattr(data, name)()) for name in TEXTURES}
    for name, other in zip(TEXTURES, (*TEXTURES[1:], TEXTURES[0]), strict=True):
        _category(tiles[name], tiles[other], out / name)
    return out


def _tiles(texture: np.ndarray) -> list[np.ndarray]:
    """All tiles (SIDE, SIDE, 3) uint8 of a grey texture, in an order without pattern."""
    rows, columns = (length // SIDE for length in texture.shape)
    cut = texture[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    tiles = cut.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 1).repeat(3, -1)
    return list(np.random.default_rng(0).permutation(tiles))


def _category(tiles: list[np.ndarray], others: list[np.ndarray], out: Path) -> None:
    for index, tile in enumerate(tiles[TESTED:]):
        _save(tile, out / f"train/good/{index:03}.png")
    for index, tile in enumerate(tiles[:TESTED]):
        _save(tile, out / f"test/good/{index:03}.png")
        made = {
            "cut": defective(tile, "cut", index),
            "scratch": defective(tile, "scratch", index),
            "spot": _spot(tile, others[index], index),
        }
        for kind, (image, mask) in made.items():
            _save(image, out / f"test/{kind}/{index:03}.png")
            marked = mask.astype(np.uint8) * 255
            _save(marked, out / f"ground_truth/{kind}/{index:03}_mask.png")


def _spot(tile: np.ndarray, other: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An ellipse of another texture on a tile, and where it lies."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.25, 0.75, 2)[:, None, None] * SIDE
    away = (np.indices((SIDE, SIDE)) - place) / (rng.uniform(*SPOT, 2)[:, None, None] * SIDE)
    inside = np.asarray(np.hypot(*away) < 1)
    return np.where(inside[..., None], other, tile), inside


def _save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
