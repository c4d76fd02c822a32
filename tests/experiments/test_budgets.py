"""False alarms that a budget allows, and those that happen."""

import numpy as np
import pytest
from scipy import stats

from dmad import recipes
from dmad.api import train_network
from dmad.errors import DmadError
from dmad.evaluation.event_metrics import AlarmMetrics
from dmad.experiments.budgets import BUDGETS, budgets, table_row


def test_the_interval_is_the_exact_one_of_a_poisson_count():
    alarms = AlarmMetrics(
        false_per_hour=10.0,
        recall=np.nan,
        delay_s=np.nan,
        true_events=0,
        found_events=0,
        false_events=5,
        normal_hours=0.5,
    )
    low, high = (float(number) for number in table_row(20, alarms)[2].split(" to "))
    assert stats.poisson.sf(4, low * 0.5) == pytest.approx(0.05, abs=0.005)
    assert stats.poisson.cdf(5, high * 0.5) == pytest.approx(0.05, abs=0.005)


def test_without_any_alarm_the_rate_may_still_be_above_zero():
    alarms = AlarmMetrics(
        false_per_hour=0.0,
        recall=1.0,
        delay_s=0.0,
        true_events=2,
        found_events=2,
        false_events=0,
        normal_hours=0.5,
    )
    assert table_row(6, alarms)[1:] == ("0.0", "0.0 to 6.0", "0", "0.5", "1.00")


def test_street_footage_is_generated_for_thresholds_and_counting(tmp_path):
    run = train_network(recipes.recipe("street", size=32, epochs=1, limit=16), tmp_path)
    results = budgets(run.folder, tmp_path / "out", hours=0.02)
    assert [budget for budget, _ in results] == list(BUDGETS)
    assert all(alarms.normal_hours == pytest.approx(596 / 36_000) for _, alarms in results)
    assert (tmp_path / "out" / "budgets.md").read_text().count("\n") == 2 + len(BUDGETS)


def test_held_out_and_test_clips_are_used_for_other_footage(train_held_out, tmp_path, write_clip):
    run = train_held_out(60)
    data = tmp_path / "data"
    write_clip(data / "test" / "clip", seed=7, count=60)
    np.save(data / "test" / "labels.npy", np.repeat([0, 1], [40, 20]))
    results = budgets(run, tmp_path / "out")
    assert all(alarms.normal_hours == pytest.approx(36 / 36_000) for _, alarms in results)


def test_a_model_of_images_is_refused(trained_images, tmp_path):
    with pytest.raises(DmadError, match="give one of video"):
        budgets(trained_images, tmp_path)
