import numpy as np
import pytest
from scipy import stats

from dmad.calibration.tails import LARGEST_SHAPE, pareto_excess, pareto_shape


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
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


def test_few_excesses_have_an_exponential_tail():
    assert pareto_excess(np.array([1.0, 3]), np.e) == pytest.approx(2)
    assert pareto_excess(np.array([]), np.e) == pytest.approx(0.05)
    assert pareto_excess(np.array([1.0]), 0.5) == 0
