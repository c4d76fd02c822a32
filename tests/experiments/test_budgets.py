"""Promised beside realised false alarms."""

import numpy as np
import pytest
from scipy import stats

from dmad import recipes
from dmad.evaluation.event_metrics import Alarms
from dmad.experiments.budgets import BUDGETS, budgets, row
from dmad.training.train import train


def test_the_interval_is_the_exact_one_of_a_poisson_count():
    alarms = Alarms(10.0, np.nan, np.nan, 0, 0, 5, 0.5)
    low, high = map(float, row(20, alarms)[2].split(" to "))
    assert stats.poisson.sf(4, low * 0.5) == pytest.approx(0.05, abs=0.005)
    assert stats.poisson.cdf(5, high * 0.5) == pytest.approx(0.05, abs=0.005)


def test_no_alarm_leaves_a_rate_above_zero_possible():
    assert row(6, Alarms(0.0, 1.0, 0.0, 2, 2, 0, 0.5))[1:] == (
        "0.0",
        "0.0 to 6.0",
        "0",
        "0.5",
        "1.00",
    )


def test_the_street_is_filmed_for_it(tmp_path):
    run = train(recipes.recipe("street", size=32, epochs=1, limit=16), tmp_path)
    found = budgets(run.folder, tmp_path / "out", hours=0.02)
    assert [budget for budget, _ in found] == list(BUDGETS)
    assert all(alarms.normal_hours == pytest.approx(596 / 36_000) for _, alarms in found)
    assert (tmp_path / "out" / "budgets.md").read_text().count("\n") == 2 + len(BUDGETS)
