import pytest
from pydantic import ValidationError

from dmad.serve.bodies import CameraBody, MarkBody, ThresholdBody


def test_only_the_entries_that_were_given_change_a_camera():
    body = CameraBody(name="gate", model="tiny", include=[[[0, 0], [1, 0], [1, 1]]])
    assert body.given() == {"name": "gate", "include": [[[0, 0], [1, 0], [1, 1]]]}


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (MarkBody, {"mark": "boring"}),
        (MarkBody, {"mark": "real", "more": 1}),
        (ThresholdBody, {"threshold": "nan"}),
        (ThresholdBody, {"threshold": float("inf")}),
        (CameraBody, {"name": "x" * 61}),
    ],
)
def test_wrong_bodies_are_refused(body, values):
    with pytest.raises(ValidationError):
        body(**values)
