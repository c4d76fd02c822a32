import numpy as np
import pytest

from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.data.series import causal

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([20, 30])


def terms() -> tuple[np.ndarray, np.ndarray]:
    """Both raw terms of two clips, without a score in the first two frames of each."""
    reconstruction, deformation = RANDOM.gamma(2, 3, 50), RANDOM.gamma(2, 0.01, 50)
    for term in (reconstruction, deformation):
        term[[0, 1, 20, 21]] = np.nan
    return reconstruction, deformation


def test_an_outlier_hardly_changes_centre_and_scale():
    values = np.array([1.0, 2, 3, 4, 1e9])
    standardisation = Standardisation.fit(values)
    assert standardisation == Standardisation(3, 1.4826)
    assert standardisation(np.array([3, 3 + 1.4826])) == pytest.approx([0, 1])


def test_the_scale_of_normally_distributed_values_is_their_standard_deviation():
    standardisation = Standardisation.fit(RANDOM.normal(5, 2, 100_000))
    assert (standardisation.centre, standardisation.scale) == pytest.approx((5, 2), rel=0.02)


@pytest.mark.parametrize("value", [0.0, 4.0, -4.0])
def test_the_scale_of_a_constant_is_small_and_above_zero(value):
    standardisation = Standardisation.fit(np.full(9, value))
    assert standardisation.scale == max(abs(value) / 1000, 1e-9)
    assert not standardisation(np.full(3, value)).any()


def test_the_score_is_the_smoothed_weighted_sum_of_the_standardised_terms():
    reconstruction, deformation = terms()
    scorer = Scorer.fit(reconstruction, deformation, weight=0.5, window=3)
    first, second = scorer.reconstruction, scorer.deformation
    expected = (reconstruction - first.centre) / first.scale
    expected += 0.5 * (deformation - second.centre) / second.scale
    scores = scorer.score(reconstruction, deformation, LENGTHS)
    assert scores == pytest.approx(causal(expected, 3, LENGTHS), nan_ok=True)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [0, 1, 20, 21]


def test_smoothing_stays_within_a_clip():
    first, second = RANDOM.gamma(2, 3, 50), RANDOM.gamma(2, 0.01, 50)
    scorer = Scorer.fit(first, second, 0.5, window=3)
    alone = [scorer.score(first[part], second[part]) for part in (slice(20), slice(20, None))]
    assert scorer.score(first, second, LENGTHS) == pytest.approx(np.concatenate(alone))


def test_alpha_per_weight_weighs_raw_terms_as_a_weight_of_one_weighs_standardised_ones():
    first, second = terms()
    scorer = Scorer.fit(first, second, 1.0)
    raw = first + scorer.alpha_per_weight * second
    assert np.nanstd(scorer.combine(first, second) * scorer.reconstruction.scale - raw) < 1e-9


def test_the_units_of_the_terms_do_not_matter():
    reconstruction, deformation = terms()
    plain = Scorer.fit(reconstruction, deformation, 0.2).score(reconstruction, deformation)
    louder, quieter = 100 * reconstruction + 3, deformation / 10
    scaled = Scorer.fit(louder, quieter, 0.2).score(louder, quieter)
    assert scaled == pytest.approx(plain, nan_ok=True)


def test_deformations_too_small_to_matter_do_not_outweigh_the_reconstruction():
    reconstruction, deformation = terms()
    plain = Scorer.fit(reconstruction, deformation, 0.0).score(reconstruction, deformation)
    noise = 1e-4 * deformation
    scores = Scorer.fit(reconstruction, noise, 1.0).score(reconstruction, noise)
    assert scores == pytest.approx(plain, abs=0.05, nan_ok=True)


@pytest.mark.parametrize("window", [1, 4])
def test_live_scores_equal_those_of_the_whole_clip(window):
    reconstruction, deformation = terms()
    scorer = Scorer.fit(reconstruction, deformation, 0.2, window)
    next_score = scorer.live()
    live = [next_score(*pair) for pair in zip(reconstruction, deformation, strict=True)]
    assert live == pytest.approx(scorer.score(reconstruction, deformation), nan_ok=True)


def test_the_larger_part_of_a_score_is_told():
    unit = Standardisation(0, 1)
    scorer = Scorer(unit, unit, weight=0.5)
    assert scorer.larger_part(np.array([3.0, np.nan]), np.array([4.0, np.nan])) == "error"
    assert scorer.larger_part(np.array([1.0]), np.array([3.0])) == "deformation"
