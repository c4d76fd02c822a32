import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dmad.api import load
from dmad.config import config_of_card
from dmad.errors import DmadError
from dmad.forms import form_of
from dmad.inference.loading import load_detector
from dmad.runs import find_model, read_card, save_model


def test_a_run_loads_by_folder_and_by_file(trained, frames_of):
    frames = frames_of(3, 9)
    by_folder, by_file = load(trained), load(str(trained / "model.safetensors"))
    assert by_folder.config == by_file.config
    assert (by_folder(frames).score[4:] == by_file(frames).score[4:]).all()


def test_files_and_form_give_the_detector_that_load_gives(trained, frames_of):
    files = find_model(trained)
    config = config_of_card(read_card(files))
    detector = load_detector(files, form_of(config), device="cpu", fast=False)
    assert detector.config == config
    assert detector.form.name == "video"
    np.testing.assert_array_equal(
        detector(frames_of(3, 9)).score,
        load(trained, device="cpu", fast=False)(frames_of(3, 9)).score,
    )


def test_half_precision_files_load_as_float32(trained, tmp_path, frames_of):
    half = {n: t.half() for n, t in load_file(trained / "model.safetensors").items()}
    save_file(half, tmp_path / "small.safetensors")
    (tmp_path / "small.json").write_text((trained / "model.json").read_text())
    small, frames = load(tmp_path / "small.safetensors", fast=False), frames_of(3, 9)
    assert {p.dtype for p in small.backend.model.parameters()} == {torch.float32}
    np.testing.assert_allclose(small(frames).score[4:], load(trained)(frames).score[4:], rtol=0.05)


def test_a_saved_model_scores_as_before(random_model, tiny, make_detector, tmp_path, frames_of):
    config, frames = tiny(None), frames_of(3, 9)
    save_model(tmp_path, random_model, {"scenes": [""]}, config)
    before, after = make_detector(random_model, config), load(tmp_path, device="cpu")
    np.testing.assert_allclose(after(frames).score, before(frames).score, rtol=0.05)


def test_the_calibration_and_the_levels_of_the_card_are_kept(
    trained, tmp_path, calibration_of, frames_of
):
    shutil.copy(trained / "model.safetensors", tmp_path)
    card = json.loads((trained / "model.json").read_text())
    card |= {"calibration": calibration_of(0.5).to_dict(), "levels": {"0.01/image": 2.0}}
    (tmp_path / "model.json").write_text(json.dumps(card))
    detector = load(tmp_path)
    assert detector.calibration == calibration_of(0.5)
    assert detector.levels == {"0.01/image": 2.0}
    assert detector(frames_of(3, 9)).alarm.shape == (9,)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", b"\x00" * 20, "damaged"),
        ("model.safetensors", b"", "damaged"),
        ("model.json", b'{"config": ', "JSON"),
        ("model.json", b"{}", "restore the file"),
    ],
)
def test_damaged_models_are_refused(trained, tmp_path, file, content, message):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DmadError, match=message):
        load(tmp_path)


def test_weights_of_another_model_are_refused(trained, tmp_path):
    card = json.loads((trained / "model.json").read_text())
    card["config"]["model"]["memory_items"] = 7
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(DmadError, match=r"does not belong to model\.json"):
        load(tmp_path)


def test_weights_without_their_card_are_refused(trained, tmp_path):
    (tmp_path / "alone.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(DmadError, match="keep the two together"):
        load(tmp_path / "alone.safetensors")
