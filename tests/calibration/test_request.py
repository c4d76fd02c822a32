"""What a user asks of a calibration."""

from pathlib import Path

import pytest

from dmad.calibration.alarms import AlarmShape
from dmad.calibration.request import AlarmChanges, CalibrationRequest
from dmad.errors import DmadError


def test_one_path_may_be_given_without_a_list() -> None:
    assert CalibrationRequest(footage="calm.mp4").footage == ("calm.mp4",)
    assert CalibrationRequest(normal=Path("calm.mp4")).normal == (Path("calm.mp4"),)
    assert CalibrationRequest(footage=["a", Path("b")]).footage == ("a", Path("b"))
    assert CalibrationRequest().footage == ()


def test_the_file_to_store_in_is_a_path() -> None:
    assert CalibrationRequest(out="gate.json").out == Path("gate.json")
    assert CalibrationRequest().out is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fps": -3}, "fps is -3; give 0 or more"),
        ({"fps": float("inf")}, "fps is inf; give 0 or more"),
        ({"weight": float("nan")}, "weight is nan; give 0 or more"),
        ({"weight": -0.5}, "weight is -0.5; give 0 or more"),
        ({"threshold": float("nan")}, "threshold is nan; give a finite number"),
    ],
)
def test_numbers_that_are_negative_or_not_finite_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(DmadError, match=message):
        CalibrationRequest(**wrong)


def test_a_weight_of_zero_is_a_weight() -> None:
    assert CalibrationRequest(weight=0.0).of_video == ["weight"]
    assert CalibrationRequest(weight=None).of_video == []


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("alarm", AlarmChanges(gap=0.0), "alarm"),
        ("weight", 0.3, "weight"),
        ("fps", 10.0, "fps"),
        ("scene", "yard", "scene"),
        ("out", "gate.json", "out"),
    ],
)
def test_fields_for_video_only_are_named(field: str, value: object, name: str) -> None:
    request = CalibrationRequest(["good"], false_alarms="0.01/image", **{field: value})
    assert request.of_video == [name]


def test_fields_for_both_forms_are_not_among_those_for_video() -> None:
    request = CalibrationRequest(["good"], false_alarms="1/day", root=Path("a"), cache=Path("b"))
    assert request.of_video == []


def test_alarm_changes_leave_what_is_not_given() -> None:
    last = AlarmShape(smoothing=0.5, hysteresis=0.2, minimum=1.0, gap=2.0, cooldown=3.0)
    assert AlarmChanges().applied_to(last) == last
    changed = AlarmChanges(minimum=0.0, gap=4.0).applied_to(last)
    assert (changed.minimum, changed.gap) == (0.0, 4.0)
    assert (changed.smoothing, changed.hysteresis, changed.cooldown) == (0.5, 0.2, 3.0)


def test_alarm_changes_are_true_if_something_changes() -> None:
    assert not AlarmChanges()
    assert AlarmChanges(cooldown=0.0)


def test_an_alarm_that_is_not_possible_is_refused() -> None:
    with pytest.raises(DmadError, match="hysteresis"):
        AlarmChanges(hysteresis=1.5).applied_to(AlarmShape())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"undo": True, "normal": ["a.mp4"]}, "normal cannot be given together with undo"),
        ({"undo": True, "threshold": 2.0}, "threshold cannot be given together with undo"),
        ({"threshold": 2.0, "normal": ["a"]}, "normal cannot be given together with threshold"),
        ({"threshold": 2.0, "false_alarms": "1/day"}, "false_alarms cannot be given together"),
    ],
)
def test_two_changes_at_once_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(DmadError, match=message):
        CalibrationRequest(**fields)


def test_a_threshold_may_be_chosen_for_new_footage() -> None:
    assert CalibrationRequest(["calm.mp4"], threshold=5.0).threshold == 5.0
