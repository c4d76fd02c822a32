"""False alarms that a budget allows, and those that happen."""

import numpy as np
import pytest
from scipy import stats

from dmad import recipes
from dmad.api import train_network
from dmad.data.layouts.street import STREET_CLIPS
from dmad.errors import DmadError
from dmad.evaluation.event_metrics import AlarmMetrics
from dmad.experiments import street_footage
from dmad.experiments.budgets import BUDGETS, Case, Hours, budgets


def case(budget: float, count: int, hours: float, threshold_hours: float = 1.0) -> Case:
    alarms = AlarmMetrics(
        false_per_hour=count / hours,
        recall=np.nan,
        delay_s=np.nan,
        true_events=0,
        found_events=0,
        false_events=count,
        normal_hours=hours,
    )
    return Case("rain", budget, alarms, threshold_hours)


def test_the_interval_is_the_exact_one_of_a_poisson_count():
    low, high = (float(number) for number in case(20, 5, 0.5).row[3].split(" to "))
    assert stats.poisson.sf(4, low * 0.5) == pytest.approx(0.05, abs=0.005)
    assert stats.poisson.cdf(5, high * 0.5) == pytest.approx(0.05, abs=0.005)


def test_without_any_alarm_the_rate_may_still_be_above_zero():
    assert case(6, 0, 0.5).row[:5] == ("rain", "6", "0.0", "0.0 to 6.0", "no")
    assert case(5.9, 0, 0.5).fits


def test_a_budget_fits_if_it_is_inside_the_interval():
    assert [case(budget, 60, 1.0).fits for budget in (20, 60, 90)] == [False, True, False]


def test_the_wide_interval_includes_the_uncertainty_of_the_threshold():
    short, long = case(60, 90, 1.0, 1.0), case(60, 90, 1.0, 1e6)
    assert long.wide_interval == pytest.approx(long.alarms.false_interval, rel=1e-3)
    assert short.wide_interval[0] < long.wide_interval[0]
    assert short.wide_interval[1] > long.wide_interval[1]


def test_an_extrapolated_threshold_has_no_wide_interval():
    extrapolated = case(6, 1, 1.0, threshold_hours=0.5)
    assert extrapolated.wide_interval is None
    assert extrapolated.row[5:7] == ("", "")


def test_without_normal_footage_there_is_no_rate_and_no_interval():
    alarms = AlarmMetrics(np.nan, 1.0, 0.0, 1, 1, 0, normal_hours=0.0)
    empty = Case("test split", 60, alarms, threshold_hours=1.0)
    assert empty.wide_interval is None
    assert not empty.fits
    assert empty.row == ("test split", "60", "", "", "", "", "", "0", "0", "1.00")


def test_the_wide_interval_holds_the_budget_in_nine_of_ten_repetitions():
    random = np.random.default_rng(0)
    counts = random.poisson(40, (2, 500)).T
    # The threshold of the budget is where the first footage has its events.
    fits = [case(chosen / 2, count, 2.0, 2.0).fits_wide for chosen, count in counts.tolist()]
    narrow = [case(chosen / 2, count, 2.0, 2.0).fits for chosen, count in counts.tolist()]
    assert np.mean(fits) == pytest.approx(0.9, abs=0.04)
    assert np.mean(narrow) < 0.8


def test_street_footage_is_generated_for_thresholds_and_counting(tmp_path):
    run = train_network(recipes.recipe("street", size=32, epochs=1, limit=16), tmp_path)
    cases = budgets(run.folder, tmp_path / "out", Hours(0.02, 0.02))
    assert [case.budget for case in cases] == list(BUDGETS)
    assert all(case.footage == "clear" for case in cases)
    assert all(case.alarms.normal_hours == pytest.approx(596 / 36_000) for case in cases)
    assert (tmp_path / "out" / "budgets.md").read_text().count("\n") == 4 + len(BUDGETS)


def test_alarms_are_counted_in_each_weather_of_the_training_and_in_all(tmp_path, monkeypatch):
    monkeypatch.setattr(street_footage, "CLIP_FRAMES", 60)
    monkeypatch.setitem(STREET_CLIPS, "train", 4)
    config = recipes.recipe("street", size=32, epochs=1, limit=16, weathers=("clear", "snow"))
    run = train_network(config, tmp_path)
    cases = budgets(run.folder, tmp_path / "out", Hours(0.01, 0.01))
    own = ["clear, own threshold", "snow, own threshold"]
    assert [case.footage for case in cases] == [
        name for name in ("clear", "snow", "all", *own) for _ in BUDGETS
    ]
    hours = {case.footage: case.threshold_hours for case in cases}
    assert hours["clear"] == hours["all"] == pytest.approx(2 * hours["snow, own threshold"])
    counts = {case.footage: case.alarms.false_events for case in cases if case.budget == 60}
    assert counts["clear"] + counts["snow"] == counts["all"]


def test_held_out_and_test_clips_are_used_for_other_footage(train_held_out, tmp_path, write_clip):
    run = train_held_out(60)
    data = tmp_path / "data"
    write_clip(data / "test" / "clip", seed=7, count=60)
    np.save(data / "test" / "labels.npy", np.repeat([0, 1], [40, 20]))
    cases = budgets(run, tmp_path / "out")
    assert {case.footage for case in cases} == {"test split"}
    assert all(case.alarms.normal_hours == pytest.approx(36 / 36_000) for case in cases)


def test_a_model_of_images_is_refused(trained_images, tmp_path):
    with pytest.raises(DmadError, match="give one of video"):
        budgets(trained_images, tmp_path)
