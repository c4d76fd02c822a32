import numpy as np
import pytest

from dmad.watch.drift import RecentScores


def test_one_score_a_second_is_kept_and_old_ones_are_forgotten():
    recent = RecentScores(seconds=3)
    assert np.isnan(recent.median)
    for tenth in range(100):
        recent.add_score(float(tenth // 10), tenth / 10)
    assert recent.median == 8


@pytest.mark.parametrize(("level", "drifted"), [(3.0, True), (-3.0, True), (0.5, False)])
def test_drift_is_told_after_sixty_scores_in_either_direction(level, drifted):
    recent = RecentScores()
    for second in range(59):
        recent.add_score(level, float(second))
    assert recent.drifted is None
    recent.add_score(level, 59.0)
    assert recent.drifted is drifted


def test_a_clock_that_is_set_back_loses_no_scores():
    recent = RecentScores()
    recent.add_score(1.0, 1000.0)
    recent.add_score(3.0, 10.0)
    assert recent.median == 2
