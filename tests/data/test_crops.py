"""Crops are placed where something moves, at other places in each epoch."""

import numpy as np
import pytest

from dmad.data.crops import MovingCrops, moving_cells
from dmad.data.footage import Footage, footage_from_arrays

SIZE = 128


def walkers(columns: list[int]) -> Footage:
    """One clip of grey frames. A bright square of 16 pixels is at another column in each frame."""
    frames = np.full((len(columns), SIZE, SIZE, 1), 80, np.uint8)
    for frame, column in zip(frames, columns, strict=True):
        frame[96:112, column : column + 16] = 200
    return footage_from_arrays([frames])


@pytest.fixture
def crops() -> MovingCrops:
    return MovingCrops(walkers([0, 16, 32, 48, 64, 80, 96, 112]), ("",), 32, 16, seed=0)


def test_a_cell_moves_if_enough_of_it_differs_from_the_background() -> None:
    background = np.full((32, 32, 1), 100, np.int16)
    frame = background.astype(np.uint8)
    frame[0:3, 0:16] = 130  # 48 of 256 pixels, clearly brighter
    frame[16:19, 0:12] = 130  # 36 of 256 pixels are too few
    frame[0:16, 16:32] = 115  # the difference is too small
    frame[16:32, 16:32] = 60  # darker
    assert moving_cells(frame, background).tolist() == [[True, False], [False, True]]


def test_most_crops_contain_what_moves(crops) -> None:
    frames = np.arange(8)
    hits = []
    for epoch in range(50):
        corners = crops.corners(frames, epoch)
        assert corners.shape == (8, 2)
        assert 0 <= corners.min() <= corners.max() <= SIZE - 32
        assert not (corners % 16).any()
        square = np.stack((16 * frames, np.full(8, 96)), 1)
        hits.append(((corners <= square) & (square + 16 <= corners + 32)).all(1))
    assert 0.85 < np.mean(hits) < 0.97  # a tenth of the crops is anywhere


def test_crops_depend_on_seed_and_epoch_and_on_nothing_else(crops) -> None:
    frames = np.arange(8)
    first = crops.corners(frames, 3)
    assert np.array_equal(first, crops.corners(frames, 3))
    assert np.array_equal(first[[2]], crops.corners(frames[[2]], 3))
    assert not np.array_equal(first, crops.corners(frames, 4))
    other = MovingCrops(walkers([16 * i for i in range(8)]), ("",), 32, 16, seed=1)
    assert not np.array_equal(first, other.corners(frames, 3))


def test_without_motion_crops_are_at_random_places() -> None:
    still = footage_from_arrays([np.full((40, SIZE, SIZE, 1), 80, np.uint8)])
    corners = MovingCrops(still, ("",), 64, 16, seed=0).corners(np.arange(40), 0)
    assert {*corners[:, 0]} == {*corners[:, 1]} == {0, 16, 32, 48, 64}


def test_crops_smaller_than_a_cell_begin_inside_it() -> None:
    crops = MovingCrops(walkers([0, 32, 64, 96]), ("",), 8, 8, seed=0)
    corners = np.concatenate([crops.corners(np.array([2]), epoch) for epoch in range(30)])
    inside = (corners >= (64, 96)) & (corners < (80, 112))
    assert inside.all(1).mean() > 0.7
