import pytest
from pydantic import ValidationError

from dmad.errors import DmadError
from dmad.serve.bodies import CameraBody, CameraThresholdBody, MarkBody, ThresholdBody

SECRET = "rtsp://guard:secret@192.0.2.7/stream"
SQUARE = [[0, 0], [1, 0], [1, 1]]


def test_a_body_describes_a_camera():
    camera = CameraBody(name=" gate ", source=SECRET, fps=5, include=[SQUARE]).camera()
    assert (camera.name, camera.source, camera.fps) == ("gate", SECRET, 5.0)
    assert camera.zone.include == (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)


def test_entries_that_are_left_out_stay():
    present = CameraBody(name="gate", source=SECRET, fps=5, include=[SQUARE]).camera()
    changed = CameraBody(name="yard", source="", exclude=[SQUARE]).camera(present)
    assert (changed.name, changed.source, changed.fps) == ("yard", SECRET, 5.0)
    assert (len(changed.zone.include), len(changed.zone.exclude)) == (1, 1)
    assert CameraBody().camera(present) == present


@pytest.mark.parametrize(
    ("entries", "hint"),
    [
        ({"source": SECRET}, "needs a name"),
        ({"name": " ", "source": SECRET}, "needs a name"),
        ({"name": "a/b", "source": SECRET}, "leave out /"),
        ({"name": "..", "source": SECRET}, "needs a name"),
        ({"name": "a"}, "give the address"),
        ({"name": "a", "source": "/etc/passwd"}, "must begin with rtsp"),
        ({"name": "a", "source": "file:///etc/passwd"}, "must begin with rtsp"),
        ({"name": "a", "source": "concat:/etc/passwd"}, "must begin with rtsp"),
        ({"name": "a", "source": "/dev/sda"}, "must begin with rtsp"),
        ({"name": "a", "source": SECRET, "include": [[[0, 0], [1, 1]]]}, "three corners"),
        ({"name": "a", "source": SECRET, "include": [[[0, 0], [1, 1], [2, 0]]]}, "from 0 to 1"),
    ],
)
def test_a_wrong_camera_is_refused(entries, hint):
    with pytest.raises(DmadError, match=hint):
        CameraBody(**entries).camera()


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (MarkBody, {"mark": "boring"}),
        (MarkBody, {"mark": "real", "more": 1}),
        (ThresholdBody, {"threshold": "nan"}),
        (ThresholdBody, {"threshold": float("inf")}),
        (CameraThresholdBody, {"threshold": 0}),
        (CameraThresholdBody, {"threshold": -1}),
        (CameraBody, {"name": "x" * 61}),
        (CameraBody, {"name": 3}),
        (CameraBody, {"name": "\ud800"}),
        (CameraBody, {"fps": float("nan")}),
        (CameraBody, {"fps": -1}),
        (CameraBody, {"include": [[["x", 0]]]}),
        (CameraBody, {"include": [[[0]]]}),
        (CameraBody, {"exclude": "all"}),
        (CameraBody, {"exclude": [SQUARE] * 21}),
        (CameraBody, {"exclude": [SQUARE * 34]}),
        (CameraBody, {"colour": 1}),
    ],
)
def test_wrong_bodies_are_refused(body, values):
    with pytest.raises(ValidationError):
        body(**values)
