"""Scene, threshold and frame rate of each view."""

import json
from dataclasses import replace

import pytest

from dmad.errors import DmadError
from dmad.scan.views import ModelCard, Views
from dmad.watch.cameras import read_cameras


@pytest.fixture
def cameras(tmp_path, calibration_of):
    """A YAML file with the cameras gate, with a threshold of its own, and yard, with a scene."""
    (tmp_path / "gate.json").write_text(json.dumps(calibration_of(7.0).to_dict()))
    path = tmp_path / "cameras.yaml"
    path.write_text(
        f"gate: {{source: {tmp_path}/a, calibration: gate.json, include: '0,0 1,0 1,1', fps: 5}}\n"
        "yard: {source: b, scene: north}\n"
        "roof: {source: '*/roof-*.mp4'}\n"
    )
    return read_cameras(path)


def test_a_view_is_the_scene_of_its_name_or_the_only_one(calibration_of):
    threshold = calibration_of(2.0)
    one, two = Views([""], threshold), Views(["gate", "yard"], threshold)
    assert one.of("anything").scene == ""
    assert not one.needs_template("anything")
    assert two.of("gate").scene == "gate"
    assert two.of("roof").scene == "roof"
    assert (two.needs_template("gate"), two.needs_template("roof")) == (False, True)
    assert Views(["gate"], threshold, scene="new").of("gate").scene == "new"
    assert two.of("gate").calibration is threshold


def test_a_camera_has_its_own_threshold_zone_and_scene(cameras, calibration_of, tmp_path):
    views = Views([""], calibration_of(2.0), cameras)
    assert views.name_of(f"{tmp_path}/a/film.mp4", "a") == "gate"
    assert views.name_of("/other/b/film.mp4", "b") == "yard"
    assert views.name_of("/other/c/film.mp4", "c") == "c"
    gate = views.of("gate")
    assert (gate.calibration.threshold, gate.fps) == (7.0, 5.0)
    assert gate.calibration.zone
    assert views.of("yard").scene == "north"
    assert views.of("c").calibration.threshold == 2.0


def test_a_zone_needs_a_threshold(cameras):
    (gate,) = (camera for camera in cameras if camera.name == "gate")
    with pytest.raises(DmadError, match="has a zone and no threshold"):
        Views([""], None, [replace(gate, calibration=None)]).of("gate")


def test_a_pattern_of_a_camera_is_that_of_a_path(cameras, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    views = Views([""], None, [camera for camera in cameras if camera.name == "roof"])
    assert views.name_of(f"{tmp_path}/x/roof-1.mp4", "x") == "roof"


def test_the_card_of_a_model_is_read_without_its_weights(model):
    read = ModelCard.read(str(model))
    assert (read.scenes, read.form.judges) == (("",), "frames")
    assert read.calibration.threshold == 0.8
