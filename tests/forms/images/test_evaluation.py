"""The evaluation of images: scores, maps of tiles, and the ledger."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.api import calibrate, choose_weight, evaluate, load, train_network
from dmad.data.splits import load_split
from dmad.evaluation.image_ledger import LARGER_OF_BOTH
from dmad.forms.images.evaluation import (
    CALIBRATED,
    DEFORMATION_ALONE,
    RAW,
    WITHOUT_DEFORMATION,
    category,
    frames_of,
    paper_signals,
    score_frames,
    score_images,
)
from dmad.forms.images.evaluation import evaluate as evaluate_images
from dmad.predict.images import predict_images


@pytest.fixture
def run(trained_images, tmp_path) -> Path:
    return shutil.copytree(trained_images, tmp_path / "run")


@pytest.fixture(scope="module")
def test_split(tiny_images):
    return load_split(tiny_images().data, "test")


def test_a_folded_network_scores_as_the_plain_one(trained_images, test_split) -> None:
    images = frames_of(test_split.footage)
    plain, fast = (
        score_frames(load(trained_images, fast=fast, device="cpu"), images)
        for fast in (False, True)
    )
    tolerance = 0.05 if load(trained_images, device="cpu").backend.bf16 else 1e-3
    np.testing.assert_allclose(fast.maps, plain.maps, atol=tolerance)


def test_scores_and_maps_add_the_deformation_with_alpha(trained_images, test_split) -> None:
    scored = score_frames(load(trained_images), frames_of(test_split.footage))
    assert scored.maps.shape == (2, 8, 64, 64)
    np.testing.assert_array_equal(scored.score(0.0), scored.reconstruction)
    np.testing.assert_allclose(scored.score(2.0), scored.reconstruction + 2 * scored.deformation)
    expected = scored.maps[0, 3] + 2 * scored.maps[1, 3]
    np.testing.assert_allclose(scored.pixel_scores(3, 2.0), expected)


def test_terms_are_the_maxima_of_the_maps(trained_images, test_split) -> None:
    scored = score_frames(load(trained_images), frames_of(test_split.footage))
    np.testing.assert_allclose(scored.maps[0].max((1, 2)), scored.reconstruction, rtol=2e-2)
    np.testing.assert_allclose(scored.maps[1].max((1, 2)), scored.deformation, rtol=2e-2, atol=1e-4)


def test_the_ledger_holds_detection_localisation_and_thresholds(run) -> None:
    ledger = evaluate(run).ledger
    assert ledger.value(RAW, "image_AUROC") == 1
    assert ledger.value(RAW, "pixel_AUROC") > 0.9
    for metric in ("image_AUROC", "AP", "F1_max", "pixel_AUROC", "AUPRO"):
        both = [ledger.value(name, metric) for name in ("Eq. 22, α = 0.05", WITHOUT_DEFORMATION)]
        assert ledger.value(LARGER_OF_BOTH, metric) == max(both)
    for share in (1, 2, 5):
        assert ledger.value(f"at {share} %", "false_positive_rate") <= 0.5
    assert any("95% interval" in row.note for row in ledger.rows)


def test_signals_need_no_label_and_the_first_has_the_threshold(run, test_split) -> None:
    detector = load(run)
    evaluation = evaluate_images(detector, test_split)
    names = [CALIBRATED, RAW, WITHOUT_DEFORMATION, DEFORMATION_ALONE]
    assert list(evaluation.deployable) == names
    result = detector(np.stack(frames_of(test_split.footage)))
    np.testing.assert_allclose(evaluation.deployable[CALIBRATED], result.calibrated, rtol=1e-3)
    without = evaluate_images(detector.with_calibration(None), test_split)
    assert list(without.deployable) == names[1:]
    assert without.signal == RAW


def test_an_evaluation_repeated_gives_the_same_scores(run) -> None:
    first, second = (evaluate(run).scores.channels["score"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pixel_figures_name_the_images_that_have_a_mask(run, test_split) -> None:
    rows = evaluate_images(load(run), test_split).ledger.rows
    notes = {row.note for row in rows if row.metric == "pixel_AUROC"}
    assert "8 of 8 images" in notes
    without = evaluate_images(load(run), replace(test_split, masks=None)).ledger.rows
    assert not {"pixel_AUROC", "AUPRO"} & {row.metric for row in without}


def test_the_papers_alpha_depends_on_the_category(tiny_images, tmp_path) -> None:
    config = tiny_images()
    assert category(config) == "discs"
    assert list(paper_signals(config).values()) == [0.05, 0.0]
    folder = replace(config, data=replace(config.data, categories="", root=tmp_path / "screws"))
    assert category(folder) == "screws"
    assert category(replace(config, data=replace(folder.data, root=None))) == ""


def test_tiles_are_scored_alone_and_blended(tiny_images, tmp_path) -> None:
    """Each image as four overlapping tiles; maps and masks have twice the size."""
    base = tiny_images(epochs=3)
    data = replace(base.data, tiles=2)
    run = train_network(replace(base, data=data), tmp_path).folder
    choose_weight(run)
    calibrate(run, false_alarms="0.2/image")
    detector, test = load(run), load_split(data, "test")
    assert {clip.length for clip in test.footage.clips} == {4}
    scored = score_images(detector, test.footage)
    assert scored.maps.shape == (2, 8, 128, 128)
    single = score_frames(detector, list(test.footage.frames[:4]))
    assert scored.reconstruction[0] == single.reconstruction.max()
    assert scored.deformation[0] == single.deformation.max()
    ledger = evaluate(run).ledger
    assert ledger.value(RAW, "pixel_AUROC") > 0.9
    out = predict_images(detector, [base.data.root / "discs/test/spot"], tmp_path / "out")
    maps = list((out / "maps").rglob("*.png"))
    assert len(maps) == 4
    with Image.open(maps[0]) as picture:
        assert picture.size == (128, 128)
