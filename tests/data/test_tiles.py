"""Tiles cover the image, overlap, and blend back without seams."""

import numpy as np
import pytest
from PIL import Image

from dmad.data.tiles import OVERLAP, blend, cut_tiles, tile_starts


@pytest.mark.parametrize("tiles", [1, 2, 3, 5])
def test_tiles_cover_a_side_and_overlap(tiles: int) -> None:
    starts, length = tile_starts(tiles)
    assert starts[0] == 0
    assert starts[-1] + length == pytest.approx(1)
    steps = np.diff(starts)
    np.testing.assert_allclose(steps, (1 - OVERLAP) * length)


def test_one_tile_is_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    (piece,) = cut_tiles(Image.fromarray(image), 1, 40)
    np.testing.assert_array_equal(piece, image)
    maps = np.random.default_rng(0).random((1, 40, 40), np.float32)
    np.testing.assert_array_equal(blend(maps, 40), maps[0])


@pytest.mark.parametrize("tiles", [1, 2, 4])
def test_tiles_that_are_cut_and_blended_give_the_image(tiles: int) -> None:
    """A ramp of grey levels stays a ramp, without steps at the borders of tiles."""
    ramp = np.linspace(0, 250, 160)
    image = np.round((ramp[:, None] + ramp) / 2).astype(np.uint8)
    pieces = cut_tiles(Image.fromarray(image), tiles, 64)
    assert {piece.shape for piece in pieces} == {(64, 64, 1)}
    whole = blend(np.stack(pieces)[..., 0], 160)
    np.testing.assert_allclose(whole, image, atol=3)


def test_a_constant_stays_constant() -> None:
    np.testing.assert_allclose(blend(np.full((9, 16, 16), 0.7), 96), 0.7, rtol=1e-5)
