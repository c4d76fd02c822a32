"""Writes textures of scikit-image with synthetic defects, in the folder layout of MVTec AD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from dmad.data.reading.frame_format import Frame
from dmad.errors import DmadError

FOREIGN = {"brick": "grass", "grass": "brick", "gravel": "brick"}  # texture: texture of its spots
TEXTURES = tuple(FOREIGN)
SIDE = 64  # pixels of a tile; a texture of 512 x 512 pixels has 64 tiles
TESTED = 16  # tiles kept for testing. Each is stored unchanged, and with every kind of defect.
RADII = (0.12, 0.25)  # of a spot or a stain, as a share of a tile's side
DARKER = 0.65  # the middle of a stain is darker by this share
LENGTH = (0.5, 0.8)  # of a scratch, as a share of a tile's side
WIDTH = 0.04  # of a scratch, as a share of a tile's side
DARK, BRIGHT = 15, 240  # grey levels of a scratch


def write_textures(out: Path) -> Path:
    """Write one category for each texture: good training tiles, good test tiles and defects.

    Each defect is clearly visible: a spot of another texture, a dark stain, or a long scratch.

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
    for name, foreign in FOREIGN.items():
        _write_category(tiles[name], tiles[foreign], out / name)
    return out


def _tiles(texture: np.ndarray) -> list[Frame]:
    """All tiles (SIDE, SIDE, 3) uint8 of a grey texture, in random order."""
    rows, columns = (length // SIDE for length in texture.shape)
    grid = texture[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    tiles = grid.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 1).repeat(3, -1)
    return list(np.random.default_rng(0).permutation(tiles))


def _write_category(tiles: list[Frame], foreign: list[Frame], out: Path) -> None:
    for index, tile in enumerate(tiles[TESTED:]):
        _write_image(tile, out / f"train/good/{index:03}.png")
    for index, tile in enumerate(tiles[:TESTED]):
        rng = np.random.default_rng(index)
        _write_image(tile, out / f"test/good/{index:03}.png")
        defects = {
            "scratch": _with_scratch(tile, rng),
            "spot": _with_spot(tile, foreign[index], rng),
            "stain": _with_stain(tile, rng),
        }
        for kind, (image, mask) in defects.items():
            _write_image(image, out / f"test/{kind}/{index:03}.png")
            white = mask.astype(np.uint8) * 255
            _write_image(white, out / f"ground_truth/{kind}/{index:03}_mask.png")


def _with_scratch(tile: Frame, rng: Generator) -> tuple[Frame, np.ndarray]:
    """A tile with a straight dark or bright line, and the mask of the line."""
    middle, angle = rng.uniform(0.4, 0.6, 2) * SIDE, rng.uniform(0, 2 * np.pi)
    half = rng.uniform(*LENGTH) / 2 * SIDE * np.array([np.cos(angle), np.sin(angle)])
    zoom = 4  # drawn larger, then reduced, so that the line has smooth borders
    line = Image.new("L", (zoom * SIDE, zoom * SIDE))
    ends = [tuple(zoom * (middle - half)), tuple(zoom * (middle + half))]
    ImageDraw.Draw(line).line(ends, 255, round(zoom * WIDTH * SIDE))
    share = np.asarray(line.reduce(zoom))[..., None] / 255
    scratched = tile + share * (float(rng.choice((DARK, BRIGHT))) - tile)
    return scratched.round().astype(np.uint8), share[..., 0] > 0


def _with_spot(tile: Frame, foreign: Frame, rng: Generator) -> tuple[Frame, np.ndarray]:
    """A tile with an ellipse of another texture, and the mask of the ellipse."""
    inside = _ellipse(rng) < 1
    return np.where(inside[..., None], foreign, tile), inside


def _with_stain(tile: Frame, rng: Generator) -> tuple[Frame, np.ndarray]:
    """A tile with a dark ellipse that has a soft border, and the mask of the ellipse."""
    strength = np.clip((1.2 - _ellipse(rng)) / 0.4, 0, 1)
    stained = tile * (1 - DARKER * strength[..., None])
    return stained.round().astype(np.uint8), strength > 0


def _ellipse(rng: Generator) -> np.ndarray:
    """Distances (SIDE, SIDE) of all pixels from the middle of a random ellipse.

    They are relative to the ellipse: below 1 inside it, 1 on its border.
    """
    centre = rng.uniform(0.25, 0.75, 2)[:, None, None] * SIDE
    radii = rng.uniform(*RADII, 2)[:, None, None] * SIDE
    return np.asarray(np.hypot(*((np.indices((SIDE, SIDE)) - centre) / radii)))


def _write_image(image: Frame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
