"""Normal places: weights of the places of a view, stored as a picture."""

import numpy as np
import pytest

from dmad.calibration.normal_places import NOWHERE, SIDE, NormalPlaces
from dmad.errors import DmadError


def weights_with(row: int, value: float) -> np.ndarray:
    weights = np.ones((SIDE, SIDE))
    weights[row] = value
    return weights


def test_without_marks_every_place_has_the_weight_1():
    assert not NOWHERE
    assert NormalPlaces.from_weights(np.ones((SIDE, SIDE))) == NOWHERE
    np.testing.assert_array_equal(NOWHERE.weights(100), np.ones((100, 100)))


def test_weights_are_rounded_down_so_that_no_score_is_higher_than_asked_for():
    weights = np.random.default_rng(0).uniform(0, 1, (SIDE, SIDE))
    stored = NormalPlaces.from_weights(weights).weights()
    assert (stored <= weights).all()
    np.testing.assert_allclose(stored, weights, atol=1 / 255)


@pytest.mark.parametrize("size", [32, 64, 100, 256])
def test_the_weights_fit_a_view_of_any_size(size):
    weights = NormalPlaces.from_weights(weights_with(SIDE // 2, 0.2)).weights(size)
    assert weights.shape == (size, size)
    rows = np.flatnonzero((weights < 1).all(1))
    assert abs(rows.mean() / size - 0.5) < 1.5 / SIDE


@pytest.mark.parametrize("picture", ["AAAA", "no base64"])
def test_a_damaged_picture_is_refused(picture):
    with pytest.raises(DmadError, match="the picture of normal places"):
        NormalPlaces(picture)
