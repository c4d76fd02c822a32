"""The form with a bank of normal patches: what a run of it can do."""

import re
from dataclasses import fields

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dmad.api import choose_weight, evaluate, load
from dmad.config import plain, restore, section_classes
from dmad.data.splits import load_split
from dmad.errors import DmadError
from dmad.experiments.ablation import ablation
from dmad.experiments.effort import Effort
from dmad.experiments.paper_figures import draw_figures
from dmad.experiments.peer_methods import own_methods
from dmad.forms.images.evaluation import DISTANCE
from dmad.forms.images.summary import series
from dmad.predict.images import predict_images
from dmad.runs import read_config


def test_only_settings_that_count_exist():
    names = {
        name: [item.name for item in fields(one)]
        for name, one in section_classes("patches").items()
    }
    assert names.keys() == {"data", "model", "score", "train"}
    assert names["model"] == ["teacher", "teacher_weights", "patches"]
    assert names["score"] == ["sigma"]
    assert names["train"] == ["seed"]


def test_settings_survive_a_file(bank_run, bank_settings):
    assert restore(plain(bank_settings())) == read_config(bank_run)


def test_patches_are_stored_in_16_bit(bank_run):
    patches = load_file(bank_run / "model.safetensors")["patches"]
    assert (patches.dtype, tuple(patches.shape)) == (torch.float16, (100, 128 + 256))
    assert load(bank_run, fast=False).backend.model.patches.dtype == torch.float32


def test_defects_are_found_and_marked(bank_run, image_data):
    detector = load(bank_run)
    test = image_data / "discs" / "test"
    good, spots = (detector(sorted((test / name).iterdir())) for name in ("good", "spot"))
    assert spots.raw.min() > good.raw.max()
    heat = spots.explained(0).map
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 20 < row < 38
    assert 26 < column < 44


def test_a_run_is_evaluated_without_rows_of_the_paper(bank_run, tmp_path):
    evaluation = evaluate(bank_run, out=tmp_path)
    assert {row.block for row in evaluation.ledger.rows} == {"deployable"}
    values = {row.metric: row.value for row in evaluation.ledger.rows}
    assert values["image_AUROC"] == 1
    assert values["pixel_AUROC"] > 0.9
    signals = {row.signal for row in evaluation.ledger.rows if row.metric == "image_AUROC"}
    assert signals == {"standardised", DISTANCE}
    page = (tmp_path / "report.html").read_text()
    text = page[: page.index("<script")] + (tmp_path / "ledger.md").read_text()
    assert DISTANCE in text
    for word in ("Eq.", "α", "deformation", "reconstruction", "epoch"):
        assert word not in re.sub("<style>.*?</style>|<svg.*?</svg>", "", text, flags=re.DOTALL)


def test_the_stored_scores_have_no_terms_of_a_deformation(bank_run, tmp_path):
    """The only score is the distance to the bank."""
    evaluation = evaluate(bank_run, out=tmp_path)
    stored = np.load(tmp_path / "scores.npz")
    assert set(stored) == {"score", "labels", "clip_lengths", "fps"}
    np.testing.assert_array_equal(stored["score"], evaluation.deployable[DISTANCE])
    shown = series(load_split(load(bank_run).config.data, "test"), evaluation)
    assert shown.deformation is None
    np.testing.assert_array_equal(np.sort(shown.reconstruction), np.sort(stored["score"]))


def test_pictures_and_table_have_no_deformation(bank_run, image_data, tmp_path):
    detector = load(bank_run)
    out = predict_images(detector, [image_data / "discs" / "test" / "spot"], tmp_path / "out")
    assert len(list((out / "overlays").rglob("*.png"))) == 4
    assert not list((out / "fields").rglob("*.png"))
    header = (out / "scores.csv").read_text().splitlines()[0]
    assert header == "image,score,threshold,verdict,raw"
    predict_images(detector, [image_data / "discs" / "test" / "good"], out)  # replaces the table


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_export_has_the_scores_of_pytorch(bank_run, image_data, tmp_path, export_run, format):
    report = export_run(bank_run, format, out=tmp_path / format)
    assert report.difference < 1e-3
    images = sorted((image_data / "discs" / "test" / "spot").iterdir())
    ours, theirs = load(bank_run, fast=False, device="cpu"), load(tmp_path / format)
    np.testing.assert_allclose(theirs(images).raw, ours(images).raw, rtol=1e-3)
    assert theirs(images).verdict.tolist() == ours(images).verdict.tolist()


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_int8_is_compared_on_mirrored_images_if_none_are_held_out(
    bank_run, tmp_path, export_run, format, logged
):
    pytest.importorskip("nncf", reason="needs pip install '.[export]'")
    report = export_run(bank_run, format, "int8", out=tmp_path / format, auroc_loss=1.0)
    assert "mirror images of the training data are compared" in logged()
    assert report.synthetic is not None
    assert report.synthetic.kept > 0.9


def test_a_run_is_one_of_the_methods_that_are_compared(bank_run, bank_settings, tmp_path):
    (own,) = own_methods([bank_settings()], [bank_run])
    assert own.settings == "resnet18, 100 patches"
    training = own.train(own.config.data, tmp_path)
    assert training.minutes > 0
    assert own.load(training)([np.zeros((64, 64, 3), np.uint8)]).maps.shape == (2, 1, 64, 64)


def test_experiments_with_the_deformation_refuse_a_run_without_one(bank_run, tmp_path):
    with pytest.raises(DmadError, match="has no deformation"):
        choose_weight(bank_run)
    with pytest.raises(DmadError, match="has no deformation"):
        ablation("ablation", bank_run, tmp_path, Effort())
    with pytest.raises(DmadError, match="has no deformation"):
        draw_figures(bank_run, tmp_path)
