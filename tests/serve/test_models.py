import json
from dataclasses import replace
from shutil import copytree

import numpy as np
import pytest

from dmad.calibration.normal_places import NOWHERE, SIDE, NormalPlaces
from dmad.errors import DmadError
from dmad.runs import save_model
from dmad.serve.models import Model, OwnThreshold, load_models, name_of


@pytest.fixture
def own(video_model, tmp_path):
    return OwnThreshold(video_model, "camera-1", tmp_path)


def test_models_get_short_names(trained_images):
    (model,) = load_models([str(trained_images)])
    assert model.name == "discs"  # not the time that its folder is named for
    assert model.judges_images
    assert len(model.digest) == 12
    first, second = load_models([str(trained_images)] * 2)
    assert (first.name, second.name) == ("discs", "discs-2")


def test_exports_with_the_same_graph_and_other_weights_have_other_digests(
    random_model, tiny, export_run, tmp_path
):
    save_model(tmp_path / "run", random_model, {"scenes": [""]}, tiny(None))
    first = export_run(tmp_path / "run", "openvino", out=tmp_path / "first").folder
    second = copytree(first, tmp_path / "second")
    card = json.loads((second / "model.json").read_text())
    del card["export"]["sha256"]  # as in exports of early versions
    (second / "model.json").write_text(json.dumps(card))
    weights = (second / "model.bin").read_bytes()
    (second / "model.bin").write_bytes(bytes([weights[0] ^ 1]) + weights[1:])
    models = load_models([str(first), str(second)])
    assert models[0].digest != models[1].digest


def test_names_hold_no_special_characters(video_model):
    assert name_of("runs/ped2.safetensors", video_model.detector) == "ped2"
    assert name_of("runs/my gate<1>", video_model.detector) == "my-gate-1-"
    assert name_of("runs/latest", video_model.detector) == "video"


def test_no_model_and_a_missing_model_are_refused():
    with pytest.raises(DmadError, match="no model is given"):
        load_models([])
    with pytest.raises(DmadError, match="no model at nowhere"):
        load_models(["nowhere"])


def test_the_threshold_rises_just_above_a_normal_score_and_can_be_undone(own, video_model):
    old = video_model.detector.calibration.threshold
    change = own.silence(1.2 * old)
    assert (change.old, change.new) == (old, pytest.approx(1.2 * 1.05 * old))
    assert own.calibration.threshold == change.new
    assert video_model.detector.calibration.threshold == old  # the model stays as it is
    again = own.silence(0.5 * old)  # it never falls
    assert again.new == change.new
    undone = own.undo()
    assert (undone.old, undone.new) == (change.new, old)
    assert own.calibration.threshold == old
    assert not own.can_undo
    with pytest.raises(DmadError, match="nothing to undo"):
        own.undo()


def test_a_large_rise_must_be_forced(own):
    old = own.calibration.threshold
    with pytest.raises(DmadError, match="would hide other anomalies"):
        own.silence(3 * old)
    assert own.silence(3 * old, force=True).new == pytest.approx(3.15 * old)


def test_a_threshold_that_a_person_has_chosen_is_kept_after_a_restart(own, video_model, tmp_path):
    own.choose(7.5)
    again = OwnThreshold(video_model, "camera-1", tmp_path)
    assert again.calibration.threshold == 7.5
    assert again.can_undo
    other_model = OwnThreshold(replace_digest(video_model), "camera-1", tmp_path)
    assert other_model.calibration.threshold != 7.5


def replace_digest(model: Model) -> Model:
    return Model(model.name, model.files, model.detector, "another")


def test_a_damaged_file_does_not_stop_the_console(own, tmp_path, logged):
    own.choose(7.5)
    (path,) = (tmp_path / "thresholds").glob("*.json")
    path.write_text("{")
    assert own.calibration.threshold != 7.5
    assert "the threshold of the model is used" in logged()


def test_forgotten_places_are_not_restored_and_other_places_are(own):
    weights = np.ones((SIDE, SIDE))
    weights[0] = 0.5
    old, new = NormalPlaces.from_weights(weights), NormalPlaces.from_weights(weights.T)
    assert not own.forget_places()
    assert not own.can_undo
    own.use_places(lambda _: old)
    assert own.forget_places()
    assert own.calibration.places == NOWHERE
    own.use_places(lambda _: new)
    own.use_places(lambda _: NOWHERE)  # as a person asks for it
    undone = own.undo()
    assert (undone.after.places, undone.places_left_out) == (new, False)
    own.undo()
    undone = own.undo()
    assert (undone.after.places, undone.places_left_out) == (NOWHERE, True)


def test_a_damaged_earlier_calibration_does_not_stop_a_change_of_the_view(own, tmp_path):
    own.choose(7.5)
    (path,) = (tmp_path / "thresholds").glob("*.history/*.json")
    for content in ("{", "[]", "{}", '{"calibration": []}'):
        path.write_text(content)
        assert not own.forget_places()
        with pytest.raises(DmadError, match=r"damaged|not valid JSON|no mapping"):
            own.undo()


def test_a_calibration_from_a_file_is_only_the_start(own, calibration_of):
    own.start_with(calibration_of(3.0))
    own.choose(9.0)
    own.start_with(replace(calibration_of(3.0)))
    assert own.calibration.threshold == 9.0


def test_a_model_without_a_threshold_cannot_change_it(video_model, tmp_path):
    detector = video_model.detector.with_calibration(None)
    model = Model("bare", video_model.files, detector, "x")
    with pytest.raises(DmadError, match="dmad calibrate RUN"):
        OwnThreshold(model, "camera-1", tmp_path).choose(1.0)
