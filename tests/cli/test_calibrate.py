"""`dmad calibrate`."""

import json
import shutil

import pytest


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
    assert (code, out) == (0, f"{own_run / 'model.json'}\n"), err
    assert err.startswith("threshold ")
    stored = json.loads((own_run / "model.json").read_text())["calibration"]
    assert stored["budget"] == {"amount": 30.0, "unit": "hour"}


def test_all_that_is_asked_of_an_alarm_is_used(dmad, own_run, normal, tmp_path):
    options = ["--alarm.smoothing", 0.1, "--alarm.minimum", 0.5, "--weight", 0.25]
    zone = ["--include", "0,0 1,0 1,1", "--out", tmp_path / "gate.json"]
    code, out, err = dmad("calibrate", own_run, *normal, "--fps", 10, *options, *zone)
    assert (code, out) == (0, f"{tmp_path / 'gate.json'}\n"), err
    stored = json.loads((tmp_path / "gate.json").read_text())
    assert stored["rule"]["minimum"] == 5
    assert stored["scorer"]["window"] == 1
    assert stored["scorer"]["weight"] == 0.25
    assert stored["zone"]["include"] == [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]


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
