"""The threshold of images, set from good images alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dmad.api import calibrate, load
from dmad.calibration.request import AlarmChanges
from dmad.data.splits import load_split
from dmad.errors import DmadError
from dmad.forms.images.evaluation import score_images
from dmad.forms.images.threshold import image_terms, image_threshold, read_images


@pytest.fixture
def run(trained_images, tmp_path) -> Path:
    return shutil.copytree(trained_images, tmp_path / "run")


@pytest.fixture
def good(image_data) -> Path:
    """The folder of the images that were trained on or held out."""
    return image_data / "discs" / "train" / "good"


def test_thresholds_fall_as_the_rate_rises(trained_images, tiny_images) -> None:
    detector = load(trained_images)
    held_out = load_split(tiny_images().data, "held_out").footage
    alpha = detector.config.score.alpha
    terms = image_terms(detector, held_out)
    calibration, levels = image_threshold(terms, alpha, "0.3/image")
    ordered = [levels[name] for name in ("0.01/image", "0.02/image", "0.05/image", "0.3/image")]
    assert ordered == sorted(ordered, reverse=True)
    assert calibration.threshold == levels["0.3/image"]


def test_the_calibrated_score_ranks_images_as_equation_22(trained_images, tiny_images) -> None:
    detector = load(trained_images)
    held_out = load_split(tiny_images().data, "held_out").footage
    alpha = detector.config.score.alpha
    calibration, _ = image_threshold(image_terms(detector, held_out), alpha, "0.3/image")
    scored = score_images(detector, held_out)
    scores = calibration.score(scored.reconstruction, scored.deformation)
    order = np.argsort(scored.score(alpha), kind="stable")
    assert (np.diff(scores[order]) > -1e-6).all()


def test_the_threshold_and_levels_are_stored_in_the_card(run, good) -> None:
    calibration = calibrate(run, footage=[good], false_alarms="0.1/image")
    assert (calibration.frames, calibration.budget.amount) == (16, 0.1)
    detector = load(run)
    assert detector.calibration == calibration
    assert detector.levels.keys() == {"0.1/image", "0.01/image", "0.02/image", "0.05/image"}


def test_without_footage_the_last_images_are_used_again(run, good) -> None:
    before = load(run).calibration
    again = calibrate(run)  # on what the training held out
    assert (again.threshold, again.frames) == (before.threshold, before.frames)
    own = calibrate(run, footage=[good], false_alarms="0.1/image")
    assert calibrate(run) == own


def test_an_image_counts_once(run, good) -> None:
    assert calibrate(run, footage=[good, good], false_alarms="0.1/image").frames == 16


def test_only_images_that_are_named_good_are_taken(run, image_data, tmp_path, logged) -> None:
    calibrate(run, footage=[image_data / "discs"], false_alarms="0.1/image")
    assert "images left out, because their folders are not named good" in logged()
    for name in ("good", "spot"):  # a delivery, of whose folders only one has a known name
        shutil.copytree(image_data / "discs" / "test" / name, tmp_path / "fresh" / name)
    fresh = calibrate(run, footage=[tmp_path / "fresh"], false_alarms="0.1/image")
    assert fresh.frames == 4


def test_images_that_were_trained_on_give_a_warning(run, image_data, good, logged) -> None:
    calibrate(run, footage=[good], false_alarms="0.1/image")
    assert "12 of 16 images were trained on" in logged()  # four were held out
    calibrate(run, footage=[image_data / "discs/test/good"], false_alarms="0.1/image")
    assert "trained on" not in logged()


def test_abnormal_images_alone_are_refused(image_data, tmp_path, tiny_images) -> None:
    shutil.copytree(image_data / "discs" / "test" / "spot", tmp_path / "bad" / "abnormal")
    with pytest.raises(DmadError, match="all 4 images are in folders named abnormal or masks"):
        read_images([tmp_path / "bad"], tiny_images().data)


@pytest.mark.parametrize("budget", ["1/day", "0.001/frame"])
def test_budgets_of_video_are_refused(run, budget) -> None:
    with pytest.raises(DmadError, match=r"images have no hours or frames.*give 0.01/image"):
        calibrate(run, false_alarms=budget)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [("weight", 0.5, "weight"), ("scene", "yard", "scene"), ("alarm", AlarmChanges(gap=1), "alarm"),
     ("out", "gate.json", "out"), ("normal", ["clip"], "normal")],
)  # fmt: skip
def test_fields_for_video_are_refused(run, field, value, name) -> None:
    with pytest.raises(DmadError, match=f"{name}: for video only"):
        calibrate(run, **{field: value})


def test_missing_and_too_few_images_are_refused(run, good, tmp_path) -> None:
    with pytest.raises(DmadError, match=r"nowhere\.png does not exist"):
        calibrate(run, footage=[tmp_path / "nowhere.png"])
    with pytest.raises(DmadError, match="1 good images are too few for a threshold"):
        calibrate(run, footage=[good / "000.png"])
