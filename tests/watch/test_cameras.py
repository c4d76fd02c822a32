import json
from dataclasses import replace
from pathlib import Path

import pytest

from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError
from dmad.watch.cameras import Camera, cameras_from_sources, read_cameras
from dmad.watch.settings import CameraSettings

TEXT = """
gate: rtsp://host/gate
webcam: 0
yard:
  source: yard.mp4
  scene: yard
  calibration: yard.json
  fps: 5
  include: 0,0.5 1,0.5 1,1 0,1
  exclude: ["0,0 1,0 1,1"]
"""


@pytest.fixture
def yaml_file(tmp_path) -> Path:
    path = tmp_path / "cameras.yaml"
    path.write_text(TEXT)
    return path


def test_a_file_lists_cameras_with_their_settings(yaml_file):
    gate, webcam, yard = read_cameras(yaml_file)
    assert (gate.name, gate.source, gate.zone) == ("gate", "rtsp://host/gate", ALL)
    assert webcam.source == "0"
    assert (yard.scene, yard.fps) == ("yard", 5.0)
    assert (len(yard.zone.include[0]), len(yard.zone.exclude)) == (4, 1)


def test_a_calibration_is_looked_for_beside_the_file(yaml_file, calibration_of):
    calibration = replace(calibration_of(7.0), scene="yard")
    (yaml_file.parent / "yard.json").write_text(json.dumps(calibration.to_dict()))
    gate, _, yard = read_cameras(yaml_file)
    assert yard.read_calibration() == calibration
    assert gate.read_calibration() is None


def test_a_calibration_of_another_view_is_refused(tmp_path, calibration_of):
    path = tmp_path / "yard.json"
    path.write_text(json.dumps(replace(calibration_of(7.0), scene="yard").to_dict()))
    with pytest.raises(DmadError, match="was set for view yard"):
        Camera("a.mp4", calibration=path).read_calibration()


@pytest.mark.parametrize("content", ["{}", "no json"])
def test_a_file_without_a_calibration_is_refused(tmp_path, content):
    path = tmp_path / "gate.json"
    path.write_text(content)
    with pytest.raises(DmadError, match="holds no calibration"):
        Camera("a.mp4", calibration=path).read_calibration()


def test_polygons_may_be_lists_of_corners(tmp_path):
    one, two = "[[0, 0], [1, 0], [1, 1]]", "[[0, 0.5], [0.5, 0.5], [1, 1]]"
    path = tmp_path / "cameras.yaml"
    path.write_text(f"gate: {{source: a.mp4, include: {one}, exclude: [{one}, {two}]}}")
    (gate,) = read_cameras(path)
    first, second = ((0, 0), (1, 0), (1, 1)), ((0, 0.5), (0.5, 0.5), (1, 1))
    assert gate.zone.include == (first,)
    assert gate.zone.exclude == (first, second)


@pytest.mark.parametrize("name", ["on", "off", "yes", "no", "07", "1.10", "2026-11-29", "null"])
def test_the_name_of_a_camera_is_what_is_written(tmp_path, name):
    path = tmp_path / "cameras.yaml"
    path.write_text(f"{name}: a.mp4")
    assert [camera.name for camera in read_cameras(path)] == [name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no cameras"),
        ("[a, b]", "lists no cameras"),
        ("gate: a.mp4\nyard: b.mp4\ngate: c.mp4", "has gate twice in one mapping"),
        ("gate:\n  source: a.mp4\n  exclude: 0,0 1,0 1,1\n  exclude: 0,0 0,1 1,1", "exclude twice"),
        ("a: [", "is not readable"),
        ("gate: {scene: a}", "camera gate has no source"),
        ("gate: [a.mp4]", "camera gate has no source"),
        ("gate: {source: a.mp4, zoom: 2}", "camera gate has unknown settings: zoom; known: source"),
        ("gate: {source: a.mp4, include: '0,0'}", "three corners"),
        ("gate: {source: a.mp4, fps: -1}", "fps is -1"),
        ("gate: {source: a.mp4, fps: ten}", "camera gate has a setting of a wrong type"),
        ("gate: {source: a.mp4, fps: }", "camera gate has an empty setting: fps"),
        ("gate: {source: a.mp4, exclude: 3}", "camera gate has a setting of a wrong type"),
        ("gate: {source: a.mp4, calibration: 5}", "camera gate has a setting of a wrong type"),
        ("gate: {source: a.mp4, include: [[]]}", "camera gate has a setting of a wrong type"),
        ("gate: {source: a.mp4, include: [{a: 1}]}", "camera gate has a setting of a wrong type"),
        ("gate: {source: a.mp4, scene: }", "camera gate has an empty setting: scene"),
        ("gate: {source: a.mp4, scene: off}", "scene is false, not text; put on, off, yes and no"),
        ("gate: on", "source is true, not text; put on, off, yes and no in quotes"),
        ("gate: {source: }", "camera gate has an empty setting: source"),
        ("gate: ", "camera gate has no source"),
        ("a/b: c.mp4", "leave out /"),
        ("gate: {source: a.mp4, fps: .inf}", "fps is inf"),
        ('gate: "a\\0.mp4"', "source contains a null character"),
        ("gate: &a {source: a.mp4}\nyard: *a", "has an alias"),
        ("gate: " + 30 * "[", "more than 20 levels"),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, message):
    path = tmp_path / "cameras.yaml"
    path.write_text(text)
    with pytest.raises(DmadError, match=message):
        read_cameras(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DmadError, match="is not a file"):
        read_cameras(tmp_path / "cameras.yaml")


def test_each_camera_has_a_unique_name(yaml_file):
    sources = ["a/x.mp4", "b/x.mp4", str(yaml_file), "c/gate.mp4"]
    cameras = cameras_from_sources(sources, CameraSettings())
    assert [camera.name for camera in cameras] == ["x", "x-2", "gate", "webcam", "yard", "gate-2"]


def test_settings_hold_for_sources_outside_of_files(yaml_file):
    zone = Zone.parse("0,0 1,0 1,1", [])
    settings = CameraSettings(scene="lane", calibration=Path("lane.json"), fps=4)
    lane, gate, *_ = cameras_from_sources(["lane.mp4", str(yaml_file)], settings, zone)
    assert (lane.scene, lane.calibration, lane.fps) == ("lane", Path("lane.json"), 4)
    assert lane.zone == zone
    assert (gate.scene, gate.fps, gate.zone) == ("", 0, ALL)


def test_settings_that_would_have_no_effect_are_refused(yaml_file):
    with pytest.raises(DmadError, match="scene, fps would have no effect"):
        cameras_from_sources([str(yaml_file)], CameraSettings(scene="lane", fps=4))
    with pytest.raises(DmadError, match="zone would have no effect"):
        cameras_from_sources([str(yaml_file)], CameraSettings(), Zone.parse("0,0 1,0 1,1", []))
