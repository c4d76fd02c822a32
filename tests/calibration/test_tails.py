import numpy as np
import pytest
from scipy import stats

from dmad.calibration.tails import LARGEST_SHAPE, USUAL_MEAN, pareto_excess, pareto_shape


@pytest.mark.parametrize("shape", [0.0, 0.1, 0.15])
def test_the_tail_of_a_generalised_pareto_sample_is_recovered(shape):
    sample = stats.genpareto.rvs(shape, scale=2, size=20_000, random_state=0)
    assert pareto_shape(sample) == pytest.approx(shape, abs=0.04)
    assert pareto_excess(sample, 100) == pytest.approx(
        stats.genpareto.isf(0.01, shape, scale=2), rel=0.1
    )


def test_the_shape_stays_within_its_limits():
    assert pareto_shape(np.random.default_rng(0).random(1000)) == 0
    assert pareto_shape(stats.genpareto.rvs(0.9, size=5000, random_state=0)) == LARGEST_SHAPE
    assert pareto_shape(np.zeros(30)) == 0
    assert pareto_shape(np.array([1.0])) == 0


def test_without_excesses_the_tail_is_the_usual_one():
    assert pareto_excess(np.array([]), np.e) == pytest.approx(USUAL_MEAN)
    assert pareto_excess(np.array([1.0]), 0.5) == 0


def test_a_few_large_excesses_move_the_tail_less_than_many():
    few, many = (pareto_excess(np.full(count, 10.0), 100) for count in (2, 200))
    assert few < 0.4 * many
    assert few > pareto_excess(np.array([]), 100)
