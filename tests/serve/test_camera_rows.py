import pytest

from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.serve.camera_rows import (
    MOST_CAMERAS,
    CameraRows,
    StoredCamera,
    camera_from_form,
)
from dmad.watch.cameras import Camera

SECRET = "rtsp://guard:secret@192.0.2.7/stream"
SQUARE = [[0, 0], [1, 0], [1, 1]]


@pytest.fixture
def rows(store):
    return CameraRows(store)


def test_a_camera_is_stored_with_its_zone(rows):
    zone = Zone(exclude=(((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)),))
    camera = Camera(SECRET, "gate", "view", fps=5.0, zone=zone)
    added = rows.add(camera, "model")
    assert rows.all() == [added]
    assert rows.get(added.number) == StoredCamera(added.number, "model", camera)
    assert rows.get(99) is None


def test_the_address_is_shown_without_its_password(rows):
    added = rows.add(Camera(SECRET, "gate"))
    assert "secret" not in added.shown_source
    assert "guard" not in added.shown_source
    assert "192.0.2.7" in added.shown_source


def test_names_are_unique(rows):
    first = rows.add(Camera(SECRET, "gate"))
    second = rows.add(Camera(SECRET, "yard"))
    with pytest.raises(DmadError, match="a camera is called gate"):
        rows.add(Camera(SECRET, "gate"))
    with pytest.raises(DmadError, match="a camera is called gate"):
        rows.change(StoredCamera(second.number, "", Camera(SECRET, "gate")))
    rows.remove(first.number)
    rows.change(StoredCamera(second.number, "", Camera(SECRET, "gate")))
    assert [stored.camera.name for stored in rows.all()] == ["gate"]


def test_cameras_of_a_file_are_added_once(rows):
    cameras = [Camera("a.mp4", "a"), Camera("b.mp4", "b")]
    assert len(rows.add_missing(cameras)) == 2
    changed = rows.all()[0]
    rows.change(StoredCamera(changed.number, "", Camera("other.mp4", "a")))
    assert rows.add_missing(cameras) == []
    assert rows.all()[0].camera.source == "other.mp4"


def test_there_are_not_too_many_cameras(rows):
    for index in range(MOST_CAMERAS):
        rows.add(Camera(SECRET, f"camera {index}"))
    with pytest.raises(DmadError, match="remove one first"):
        rows.add(Camera(SECRET, "one more"))


def test_a_form_makes_a_camera():
    form = {"name": " gate ", "source": SECRET, "fps": 5, "include": [SQUARE]}
    camera = camera_from_form(form)
    assert (camera.name, camera.source, camera.fps) == ("gate", SECRET, 5.0)
    assert camera.zone.include == (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)


def test_entries_that_are_left_out_stay():
    present = camera_from_form({"name": "gate", "source": SECRET, "include": [SQUARE]})
    changed = camera_from_form({"name": "yard", "source": "", "exclude": [SQUARE]}, present)
    assert (changed.name, changed.source) == ("yard", SECRET)
    assert (len(changed.zone.include), len(changed.zone.exclude)) == (1, 1)


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ({"source": SECRET}, "needs a name"),
        ({"name": "a/b", "source": SECRET}, "leave out /"),
        ({"name": "..", "source": SECRET}, "needs a name"),
        ({"name": "\ud800", "source": SECRET}, "needs a name"),
        ({"name": "a"}, "give the address"),
        ({"name": "a", "source": "/etc/passwd"}, "must begin with rtsp"),
        ({"name": "a", "source": "file:///etc/passwd"}, "must begin with rtsp"),
        ({"name": "a", "source": "concat:/etc/passwd"}, "must begin with rtsp"),
        ({"name": "a", "source": "/dev/sda"}, "must begin with rtsp"),
        ({"name": "a", "source": SECRET, "fps": float("nan")}, "fps is no number"),
        ({"name": "a", "source": SECRET, "fps": -1}, "fps is -1"),
        ({"name": "a", "source": SECRET, "include": [[[0, 0], [1, 1]]]}, "three corners"),
        ({"name": "a", "source": SECRET, "include": [[[0, 0], [1, 1], [2, 0]]]}, "three corners"),
        ({"name": "a", "source": SECRET, "include": [[["x", 0]]]}, "no list of polygons"),
        ({"name": "a", "source": SECRET, "exclude": "all"}, "no list of polygons"),
        ({"name": 3, "source": SECRET}, "name is no text"),
        ({"name": "a", "source": SECRET, "colour": 1}, "a camera has no colour"),
    ],
)
def test_a_wrong_form_is_refused(form, hint):
    with pytest.raises(DmadError, match=hint):
        camera_from_form(form)
