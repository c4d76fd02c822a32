import pytest

from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.serve.camera_rows import MOST_CAMERAS, CameraRows, StoredCamera
from dmad.watch.cameras import Camera

SECRET = "rtsp://guard:secret@192.0.2.7/stream"


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
    with pytest.raises(DmadError, match="already a camera with the name gate"):
        rows.add(Camera(SECRET, "gate"))
    with pytest.raises(DmadError, match="already a camera with the name gate"):
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
