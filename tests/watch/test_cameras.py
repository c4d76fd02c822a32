import json
from dataclasses import replace

import pytest

from dmad.data.zones import ALL
from dmad.errors import DmadError
from dmad.watch.cameras import Camera, named_apart, read_cameras

TEXT = """
gate: rtsp://host/gate
webcam: 0
yard:
  source: yard.mp4
  scene: yard
  calibration: yard.json
  include: 0,0.5 1,0.5 1,1 0,1
  exclude: ["0,0 1,0 1,1"]
"""


def test_cameras_of_a_file(tmp_path, calibration_of):
    (tmp_path / "cameras.yaml").write_text(TEXT)
    kept = replace(calibration_of(7.0), scene="yard")
    (tmp_path / "yard.json").write_text(json.dumps(kept.to_dict()))
    gate, webcam, yard = read_cameras(tmp_path / "cameras.yaml")
    assert (gate.name, gate.source, gate.zone) == ("gate", "rtsp://host/gate", ALL)
    assert webcam.source == "0"
    assert (yard.scene, len(yard.zone.include[0]), len(yard.zone.exclude)) == ("yard", 4, 1)
    assert yard.read_calibration() == kept
    with pytest.raises(DmadError, match="was set for view yard"):
        replace(yard, scene="").read_calibration()
    assert gate.read_calibration() is None


def test_polygons_may_be_lists(tmp_path):
    one, two = "[[0, 0], [1, 0], [1, 1]]", "[[0, 0.5], [0.5, 0.5], [1, 1]]"
    text = f"gate: {{source: a.mp4, include: {one}, exclude: [{one}, {two}]}}"
    (tmp_path / "cameras.yaml").write_text(text)
    (gate,) = read_cameras(tmp_path / "cameras.yaml")
    include, exclude = gate.zone.include, gate.zone.exclude
    assert include == (((0, 0), (1, 0), (1, 1)),)
    assert exclude == (*include, ((0, 0.5), (0.5, 0.5), (1, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no cameras"),
        ("[a, b]", "lists no cameras"),
        ("gate: a.mp4\nyard: b.mp4\ngate: c.mp4", "says gate twice in one place"),
        ("gate:\n  source: a.mp4\n  exclude: 0,0 1,0 1,1\n  exclude: 0,0 0,1 1,1", "exclude twice"),
        ("a: [", "is not readable"),
        ("gate: {scene: a}", "camera gate has no source"),
        ("gate: {source: a.mp4, zoom: 2}", "camera gate has zoom"),
        ("gate: {source: a.mp4, include: '0,0'}", "three corners"),
        ("gate: {source: a.mp4, fps: -1}", "fps is -1"),
        ("gate: {source: a.mp4, fps: ten}", "camera gate has a setting of another kind"),
        ("gate: {source: a.mp4, fps: }", "camera gate has a setting of another kind"),
        ("gate: {source: a.mp4, exclude: 3}", "camera gate has a setting of another kind"),
        ("gate: {source: a.mp4, calibration: 5}", "camera gate has a setting of another kind"),
        ("gate: {source: a.mp4, include: [[]]}", "camera gate has a setting of another kind"),
        ("gate: {source: a.mp4, include: [{a: 1}]}", "camera gate has a setting of another kind"),
        ("gate: {source: a.mp4, scene: }", "camera gate has an empty setting"),
        ("gate: [a.mp4]", "camera gate has no source"),
        ("a/b: c.mp4", "leave out /"),
    ],
)
def test_files_that_are_wrong_are_refused(tmp_path, text, message):
    (tmp_path / "cameras.yaml").write_text(text)
    with pytest.raises(DmadError, match=message):
        read_cameras(tmp_path / "cameras.yaml")


def test_a_calibration_that_is_none_is_refused(tmp_path):
    for content in ("{}", "no json"):
        (tmp_path / "gate.json").write_text(content)
        with pytest.raises(DmadError, match="holds no calibration"):
            Camera("a.mp4", calibration=tmp_path / "gate.json").read_calibration()


def test_names_are_told_apart():
    names = [camera.name for camera in named_apart([Camera("a/x.mp4"), Camera("b/x.mp4")])]
    assert names == ["x", "x-2"]
