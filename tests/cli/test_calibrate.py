"""`dmad calibrate`."""

import json
import shutil

import pytest

from dmad.calibration.budget import Budget
from dmad.cli.calibrate import rate_text


@pytest.fixture
def own_run(trained, tmp_path):
    """A copy of the trained run, which a test may change."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def normal(write_clip, tmp_path):
    """Two normal clips of 40 frames."""
    return [write_clip(tmp_path / "normal" / str(seed), seed, 40) for seed in (1, 2)]


def test_calibrate_stores_the_threshold_and_prints_its_file(dmad, own_run, normal):
    code, out, err = dmad("calibrate", own_run, *normal, "--fps", 10, "--false-alarms", "30/hour")
    assert code == 0, err
    assert out.endswith(f"\n{own_run / 'model.json'}\n")
    assert "threshold " in err
    stored = json.loads((own_run / "model.json").read_text())["calibration"]
    assert stored["budget"] == {"amount": 30.0, "unit": "hour"}


def test_all_that_is_asked_of_an_alarm_is_used(dmad, own_run, normal, tmp_path):
    options = ["--alarm.smoothing", 0.1, "--alarm.minimum", 0.5, "--weight", 0.25]
    zone = ["--include", "0,0 1,0 1,1", "--out", tmp_path / "gate.json"]
    code, out, err = dmad("calibrate", own_run, *normal, "--fps", 10, *options, *zone)
    assert code == 0, err
    assert out.endswith(f"\n{tmp_path / 'gate.json'}\n")
    stored = json.loads((tmp_path / "gate.json").read_text())
    assert stored["rule"]["minimum"] == 5
    assert stored["scorer"]["window"] == 1
    assert stored["scorer"]["weight"] == 0.25
    assert stored["zone"]["include"] == [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]


def test_a_table_shows_five_thresholds(dmad, own_run, normal):
    _, out, _ = dmad("calibrate", own_run, *normal, "--fps", 10, "--threshold", 2)
    assert [line.split()[0] for line in out.splitlines() if "/" in line and "%" not in line][
        :5
    ] == [*("1.2", "1.6", "2", "2.5", "3.2")]
    assert "2 (set)" in out


def test_the_last_change_is_undone(dmad, own_run, normal):
    dmad("calibrate", own_run, *normal, "--fps", 10)
    before = (own_run / "model.json").read_bytes()
    assert dmad("calibrate", own_run, "--threshold", 99)[0] == 0
    assert (own_run / "model.json").read_bytes() != before
    assert dmad("calibrate", own_run, "--undo")[0] == 0
    assert (own_run / "model.json").read_bytes() == before


@pytest.mark.parametrize(
    ("rate", "unit", "text"),
    [
        (2.0, "hour", "2/hour"),
        (353.0, "hour", "350/hour"),
        (0.01, "day", "0.24/day"),
        (0.05, "image", "5.00% of the images"),
    ],
)
def test_a_rate_is_written_in_a_fitting_unit(rate, unit, text):
    assert rate_text(rate, Budget(0.5, unit)) == text


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--false-alarms", "often"], "write 1/day"),
        (["--false_alarms", "often"], "write 1/day"),
        (["--fps", "-1"], "fps is -1; give 0 or more"),
        (["--alarm.smoothing", "long"], "--alarm.smoothing is 'long'; give a number"),
        (["--include", "0,0"], "cannot read the polygon"),
        (["--smoothing", "1"], "did you mean --alarm.smoothing?"),
    ],
)
def test_a_wrong_request_is_one_line(refused, own_run, normal, options, hint):
    assert hint in refused("calibrate", own_run, normal[0], *options)
