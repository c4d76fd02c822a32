import json

import numpy as np
import pytest

from dmad.calibration.alarms import AlarmRule, AlarmShape, find_events
from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.threshold import choose_threshold
from dmad.data.zones import ALL
from dmad.errors import DmadError

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([100, 200])


def footage(seed: int = 0) -> HeldOut:
    first, second = np.random.default_rng(seed).gamma(2, size=(2, 300))
    return HeldOut(first, second, LENGTHS, 10.0)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return choose_threshold(footage(), "600/hour", AlarmShape(gap=2.0), 0.7, seed=3)


def test_the_score_is_that_of_the_scorer(calibration):
    new = footage(1)
    scores = calibration.score(new.reconstruction, new.deformation, LENGTHS)
    expected = calibration.scorer.score(new.reconstruction, new.deformation, LENGTHS)
    assert scores.tolist() == expected.tolist()


def test_live_scores_equal_those_of_the_whole_clip(calibration):
    new = footage(1)
    next_score = calibration.live()
    live = [next_score(*pair) for pair in zip(new.reconstruction, new.deformation, strict=True)]
    assert live == pytest.approx(calibration.score(new.reconstruction, new.deformation))


def test_events_follow_the_rule(calibration_of):
    calibration = calibration_of(5.0, minimum=1, gap=0, cooldown=0)
    scores = np.array([0, 5, 4, 0, 6, 7, np.nan, 0])
    assert calibration.events(scores) == find_events(scores, calibration.rule)
    assert [(event.start, event.end) for event in calibration.events(scores, np.array([5, 3]))] == [
        *((1, 3), (4, 5), (5, 6))
    ]


def test_an_alarm_is_on_inside_events(calibration_of):
    calibration = calibration_of(5.0, minimum=2, gap=0, cooldown=0)
    scores = np.array([0, 5, 4, 0, 6, 0, np.nan, 0])
    assert np.flatnonzero(calibration.alarm(scores)).tolist() == [1, 2]


def test_images_at_or_above_the_threshold_are_alarms():
    calibration = choose_threshold(footage().as_images(), "0.1/image")
    scores = np.array([calibration.threshold, calibration.threshold - 0.01, 99, np.nan])
    assert calibration.alarm(scores).tolist() == [True, False, True, False]


def test_the_shape_in_seconds_is_the_one_chosen():
    shape = AlarmShape(smoothing=0.3, hysteresis=0.4, minimum=0.4, gap=2.0, cooldown=3.0)
    calibration = choose_threshold(footage(), "60/hour", shape)
    assert vars(calibration.shape) == pytest.approx(vars(shape))


def test_a_calibration_is_the_same_after_json(calibration):
    stored = json.loads(json.dumps(calibration.to_dict(), allow_nan=False))
    assert Calibration.from_dict(stored) == calibration


STORED = {
    "scorer": {
        "reconstruction": {"centre": 0.5, "scale": 0.1},
        "deformation": {"centre": 0.02, "scale": 0.01},
        "weight": 0.5,
        "window": 8,
    },
    "rule": {"on": 4.0, "off": 3.2, "minimum": 2, "gap": 10, "cooldown": 20},
    "budget": {"amount": 1.0, "unit": "hour"},
    "fps": 10.0,
    "interval": [3.5, 4.5],
    "margin": 0.25,
    "frames": 1000,
    "clips": 2,
    "observed": 0,
    "warnings": ["clips held out: 2"],
}


def test_cards_stored_before_views_and_zones_existed_are_read():
    calibration = Calibration.from_dict(STORED)
    assert calibration.rule == AlarmRule(4.0, 3.2, 2, 10, 20)
    assert (calibration.interval, calibration.margin) == ((3.5, 4.5), 0.25)
    assert (calibration.scene, calibration.zone) == ("", ALL)
    score = calibration.score(np.array([0.6]), np.array([0.04]))
    assert score == pytest.approx([1 + 0.5 * 2])


@pytest.mark.parametrize("scene", [None, "yard"])
def test_a_file_is_read_for_its_view(scene, tmp_path):
    path = tmp_path / "yard.json"
    path.write_text(json.dumps({**STORED, "scene": "yard"}))
    assert read_calibration(path, scene).scene == "yard"


def test_a_file_for_another_view_is_refused(tmp_path):
    path = tmp_path / "yard.json"
    path.write_text(json.dumps({**STORED, "scene": "yard"}))
    with pytest.raises(DmadError, match="was set for view yard; give the same view here"):
        read_calibration(path, "gate")
    path.write_text(json.dumps(STORED))
    with pytest.raises(DmadError, match="was set without a view"):
        read_calibration(path, "gate")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"scorer": 1}', json.dumps({"fps": 1})])
def test_a_file_without_a_calibration_is_refused(content, tmp_path):
    path = tmp_path / "yard.json"
    with pytest.raises(DmadError, match="is not a file"):
        read_calibration(path)
    path.write_text(content)
    with pytest.raises(DmadError, match="holds no calibration"):
        read_calibration(path)


@pytest.mark.parametrize(
    "change",
    [
        {"fps": "10"},
        {"fps": 0},
        {"fps": float("nan")},
        {"frames": 1.5},
        {"interval": [1.0]},
        {"warnings": "none"},
        {"more": 1},
        {"scorer": {}},
        {"scorer": STORED["scorer"] | {"window": 0}},
        {"scorer": STORED["scorer"] | {"window": 10**9}},
        {"scorer": STORED["scorer"] | {"deformation": {"centre": 0.0, "scale": 0.0}}},
        {"rule": STORED["rule"] | {"on": None}},
        {"rule": STORED["rule"] | {"gap": 2.5}},
        {"budget": {"amount": 1.0, "unit": "week"}},
        {"zone": {"include": [[[0, 0], [2, 0], [1, 1]]], "exclude": []}},
        {"zone": {"include": [[[0, 0], [1, 1]]], "exclude": []}},
    ],
)
def test_a_calibration_with_a_wrong_value_is_refused_when_it_is_read(change, tmp_path):
    path = tmp_path / "yard.json"
    path.write_text(json.dumps(STORED | change))
    with pytest.raises(DmadError, match=r"holds no calibration .*; give one that") as caught:
        read_calibration(path)
    assert "\n" not in str(caught.value)
