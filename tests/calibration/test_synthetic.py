"""Scores of synthetic anomalies: which of them a threshold finds."""

import numpy as np
import pytest

from dmad.calibration.alarms import AlarmShape, find_events
from dmad.calibration.held_out import HeldOut
from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.calibration.synthetic import SyntheticTerms, missed_kinds

PLAIN_SCORER = Scorer(Standardisation(0, 1), Standardisation(0, 1), weight=1.0, window=2)


@pytest.fixture
def synthetic() -> SyntheticTerms:
    terms = np.random.default_rng(0).gamma(2, size=(2, 4, 12)) + np.arange(4)[:, None]
    kinds = np.array(["size", "size", "speed", "speed"])
    return SyntheticTerms(terms[0], terms[1], kinds, np.array([False, True, False, True]))


def test_the_level_of_a_sequence_is_the_highest_threshold_that_finds_it(synthetic):
    shape = AlarmShape(smoothing=0.2)
    levels = synthetic.levels(PLAIN_SCORER, shape, 10.0)
    for row, level in enumerate(levels):
        terms = synthetic.synthetic_reconstruction[row], synthetic.synthetic_deformation[row]
        scores = PLAIN_SCORER.score(*terms)
        assert find_events(scores, shape.rule(level, 10.0))
        assert not find_events(scores, shape.rule(level + 1e-6, 10.0))


def test_kinds_that_are_mostly_missed_are_named(synthetic):
    assert missed_kinds(synthetic, np.array([True, True, True, False])) == []
    assert missed_kinds(synthetic, np.array([False, False, True, False])) == ["size"]


def test_terms_are_stored_with_those_of_the_footage(synthetic, tmp_path):
    held = HeldOut(np.ones(3), np.ones(3), np.array([3]), 10.0)
    path = tmp_path / "terms.npz"
    held.write(path)
    assert SyntheticTerms.read(path) is None
    held.write(path, synthetic.to_dict())
    read = SyntheticTerms.read(path)
    for name, values in synthetic.to_dict().items():
        np.testing.assert_array_equal(getattr(read, name), values)
    assert HeldOut.read(path).scored_frames == 3
