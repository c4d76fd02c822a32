"""Normal places: weights of the places of a view, stored as a picture."""

import numpy as np
import pytest

from dmad.calibration.normal_places import (
    NOWHERE,
    SIDE,
    NormalPlaces,
    lost_sensitivity,
    require_small_loss,
)
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


def test_the_lost_sensitivity_says_where_how_much_of_the_view_and_how_strong():
    weights = np.ones((SIDE, SIDE))
    weights[: SIDE // 4, : SIDE // 2] = 0.5
    half = NormalPlaces.from_weights(weights)
    lost = lost_sensitivity(NOWHERE, half)
    assert lost.share == pytest.approx(1 / 8)
    assert lost.factor == pytest.approx(2, abs=0.02)  # weights are rounded down
    assert lost.centre == pytest.approx((0.25, 0.125))
    assert lost_sensitivity(half, NOWHERE) is None
    assert lost_sensitivity(half, half) is None


def test_a_place_that_does_not_count_at_all_has_a_finite_factor():
    lost = lost_sensitivity(NOWHERE, NormalPlaces.from_weights(weights_with(0, 0.0)))
    assert np.isfinite(lost.factor)


@pytest.mark.parametrize(("rows", "value"), [(SIDE, 0.9), (1, 0.2)])
def test_a_large_loss_of_sensitivity_must_be_forced(rows, value):
    weights = np.ones((SIDE, SIDE))
    weights[:rows] = value
    places = NormalPlaces.from_weights(weights)
    with pytest.raises(DmadError, match=rf"times stronger in {rows / SIDE:.0%} of .* use --force"):
        require_small_loss(NOWHERE, places)
    require_small_loss(NOWHERE, places, force=True)
    require_small_loss(places, places)
    require_small_loss(places, NOWHERE)


def test_a_small_loss_of_sensitivity_needs_no_force():
    weights = np.ones((SIDE, SIDE))
    weights[: SIDE // 4] = 0.6
    require_small_loss(NOWHERE, NormalPlaces.from_weights(weights))
