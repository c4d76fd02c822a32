"""Synthetic defects: local, visible, repeatable, and marked where they are."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dmad.data.synthetic.defects import KINDS, VISIBLE, defective


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 255, (96, 96, 3))
    smooth = gaussian_filter(noise, (3, 3, 0))
    spread = (smooth - smooth.min()) / np.ptp(smooth) * 255
    return spread.astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_defects_are_local_and_marked(image: np.ndarray, kind: str) -> None:
    shares = []
    for seed in range(10):
        made, mask = defective(image, kind, seed)
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        change = np.abs(made.astype(int) - image).max(-1)
        np.testing.assert_array_equal(mask, change >= VISIBLE)
        shares.append(mask.mean())
    assert 0 < np.mean(shares) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_defect(image: np.ndarray, kind: str) -> None:
    first, second, other = (defective(image, kind, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_defects_are_where_the_image_has_details() -> None:
    half = np.full((96, 96, 3), 100, np.uint8)
    half[:, :40] = np.random.default_rng(0).integers(0, 255, (96, 40, 3))
    columns = [defective(half, "bend", seed)[1].nonzero()[1].mean() for seed in range(10)]
    assert max(columns) < 60


def test_bending_a_plain_image_gives_an_empty_mask() -> None:
    assert not defective(np.full((64, 64, 3), 9, np.uint8), "bend", 0)[1].any()
