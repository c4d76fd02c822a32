"""Writes textures of scikit-image with synthetic defects, in the folder layout of MVTec AD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dmad.data.reading.frame_format import Frame
from dmad.data.synthetic.defects import defective
from dmad.errors import DmadError

TEXTURES = ("brick", "grass", "gravel")
SIDE = 64  # pixels of a tile; a texture of 512 x 512 pixels has 64 tiles
TESTED = 16  # tiles kept for testing: unchanged, and with every kind of defect
SPOT = (0.12, 0.25)  # radii of a spot of another texture, as a share of a tile's side


def write_textures(out: Path) -> Path:
    """Write one category for each texture: good training tiles, good test tiles and defects.

    Args:
        out: Folder to write to.

    Returns:
        `out`.

    Raises:
        DmadError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise DmadError("the textures come with scikit-image; pip install 'dmad[demo]'") from error
    tiles = {name: _tiles(getattr(data, name)()) for name in TEXTURES}
    others = (*TEXTURES[1:], TEXTURES[0])
    for name, other in zip(TEXTURES, others, strict=True):
        _write_category(tiles[name], tiles[other], out / name)
    return out


def _tiles(texture: np.ndarray) -> list[Frame]:
    """All tiles (SIDE, SIDE, 3) uint8 of a grey texture, in random order."""
    rows, columns = (length // SIDE for length in texture.shape)
    grid = texture[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    tiles = grid.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 1).repeat(3, -1)
    return list(np.random.default_rng(0).permutation(tiles))


def _write_category(tiles: list[Frame], others: list[Frame], out: Path) -> None:
    for index, tile in enumerate(tiles[TESTED:]):
        _write_image(tile, out / f"train/good/{index:03}.png")
    for index, tile in enumerate(tiles[:TESTED]):
        _write_image(tile, out / f"test/good/{index:03}.png")
        defects = {
            "cut": defective(tile, "cut", index),
            "scratch": defective(tile, "scratch", index),
            "spot": _with_spot(tile, others[index], index),
        }
        for kind, (image, mask) in defects.items():
            _write_image(image, out / f"test/{kind}/{index:03}.png")
            white = mask.astype(np.uint8) * 255
            _write_image(white, out / f"ground_truth/{kind}/{index:03}_mask.png")


def _with_spot(tile: Frame, other: Frame, seed: int) -> tuple[Frame, np.ndarray]:
    """A tile with an ellipse of another texture, and the mask of the ellipse."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0.25, 0.75, 2)[:, None, None] * SIDE
    radii = rng.uniform(*SPOT, 2)[:, None, None] * SIDE
    distance = np.hypot(*((np.indices((SIDE, SIDE)) - centre) / radii))
    inside = np.asarray(distance < 1)
    return np.where(inside[..., None], other, tile), inside


def _write_image(image: Frame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
