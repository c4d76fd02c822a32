import numpy as np
import pytest

from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.data.series import causal

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([20, 30])


def terms() -> tuple[np.ndarray, np.ndarray]:
    reconstruction, deformation = RANDOM.gamma(2, 3, 50), RANDOM.gamma(2, 0.01, 50)
    for term in (reconstruction, deformation):
        term[[0, 1, 20, 21]] = np.nan
    return reconstruction, deformation


def test_centre_and_scale_are_robust():
    values = np.array([1.0, 2, 3, 4, 1e9])
    found = Standardisation.fit(values)
    assert found == Standardisation(3, 1.4826)
    assert found(np.array([3, 3 + 1.4826])) == pytest.approx([0, 1])


def test_normal_values_have_a_scale_of_their_deviation():
    found = Standardisation.fit(RANDOM.normal(5, 2, 100_000))
    assert (found.centre, found.scale) == pytest.approx((5, 2), rel=0.02)


@pytest.mark.parametrize("value", [0.0, 4.0, -4.0])
def test_a_constant_has_a_small_scale_above_zero(value):
    found = Standardisation.fit(np.full(9, value))
    assert found.scale == max(abs(value) / 1000, 1e-9)
    assert not found(np.full(3, value)).any()


def test_score_is_the_smoothed_standardised_sum():
    reconstruction, deformation = terms()
    scorer = Scorer.fit(reconstruction, deformation, weight=0.5, window=3)
    first, second = scorer.reconstruction, scorer.deformation
    expected = (reconstruction - first.centre) / first.scale
    expected += 0.5 * (deformation - second.centre) / second.scale
    found = scorer(reconstruction, deformation, LENGTHS)
    assert found == pytest.approx(causal(expected, 3, LENGTHS), nan_ok=True)
    assert np.flatnonzero(np.isnan(found)).tolist() == [0, 1, 20, 21]


def test_no_clip_is_smoothed_into_the_next():
    first, second = RANDOM.gamma(2, 3, 50), RANDOM.gamma(2, 0.01, 50)  # no gap between the clips
    scorer = Scorer.fit(first, second, 0.5, window=3)
    alone = [scorer(first[part], second[part]) for part in (slice(20), slice(20, None))]
    assert scorer(first, second, LENGTHS) == pytest.approx(np.concatenate(alone))


def test_the_unit_is_the_alpha_of_a_weight_of_one():
    first, second = terms()
    scorer = Scorer.fit(first, second, 1.0)
    raw = first + scorer.unit * second
    assert np.nanstd(scorer.combine(first, second) * scorer.reconstruction.scale - raw) < 1e-9


def test_units_of_the_terms_do_not_count():
    reconstruction, deformation = terms()
    plain = Scorer.fit(reconstruction, deformation, 0.2)(reconstruction, deformation)
    louder, quieter = 100 * reconstruction + 3, deformation / 10
    scaled = Scorer.fit(louder, quieter, 0.2)(louder, quieter)
    assert scaled == pytest.approx(plain, nan_ok=True)


def test_fields_that_move_nothing_do_not_drown_the_reconstruction():
    reconstruction, deformation = terms()
    plain = Scorer.fit(reconstruction, deformation, 0.0)(reconstruction, deformation)
    noise = 1e-4 * deformation
    found = Scorer.fit(reconstruction, noise, 1.0)(reconstruction, noise)
    assert found == pytest.approx(plain, abs=0.05, nan_ok=True)


@pytest.mark.parametrize("window", [1, 4])
def test_live_is_as_in_evaluation(window):
    reconstruction, deformation = terms()
    scorer = Scorer.fit(reconstruction, deformation, 0.2, window)
    push = scorer.live()
    live = [push(*pair) for pair in zip(reconstruction, deformation, strict=True)]
    assert live == pytest.approx(scorer(reconstruction, deformation), nan_ok=True)
