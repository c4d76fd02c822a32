"""The threshold of images, set from good images alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dmad.api import calibrate, load
from dmad.calibration.budget import Budget
from dmad.calibration.request import AlarmChanges
from dmad.calibration.threshold import calibration_of
from dmad.data.splits import load_split
from dmad.errors import DmadError
from dmad.forms.images.evaluation import score_images
from dmad.forms.images.threshold import (
    image_evidence,
    image_levels,
    image_terms,
    read_images,
    synthetic_terms,
)


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
    terms = image_terms([(detector, held_out)])
    levels = image_levels(terms, alpha, Budget.parse("30%"))
    calibration = calibration_of(image_evidence(terms, alpha, "30%"))
    ordered = [levels[name] for name in ("0.01/image", "0.02/image", "0.05/image", "0.3/image")]
    assert ordered == sorted(ordered, reverse=True)
    assert calibration.threshold == levels["0.3/image"]


def test_the_calibrated_score_ranks_images_as_equation_22(trained_images, tiny_images) -> None:
    detector = load(trained_images)
    held_out = load_split(tiny_images().data, "held_out").footage
    alpha = detector.config.score.alpha
    terms = image_terms([(detector, held_out)])
    calibration = calibration_of(image_evidence(terms, alpha, "0.3/image"))
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
    assert "images left out, because their folders or masks do not mark them as good" in logged()
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
    with pytest.raises(DmadError, match="no good image is found: 4 images left out, because"):
        read_images([tmp_path / "bad"], tiny_images().data)


@pytest.mark.parametrize("budget", ["1/day", "0.001/frame"])
def test_budgets_of_video_are_refused(run, budget) -> None:
    with pytest.raises(DmadError, match=r"images have no hours or frames.*give 0.01/image"):
        calibrate(run, false_alarms=budget)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [("weight", 0.5, "weight"), ("scene", "yard", "scene"), ("alarm", AlarmChanges(gap=1), "alarm"),
     ("out", "gate.json", "out")],
)  # fmt: skip
def test_fields_for_video_are_refused(run, field, value, name) -> None:
    with pytest.raises(DmadError, match=f"{name}: for video only"):
        calibrate(run, **{field: value})


def test_an_image_marked_as_normal_is_good_from_now_on(run, image_data, good) -> None:
    first = calibrate(run, footage=[good], false_alarms="0.3/image")
    levels = load(run).levels
    spot = sorted((image_data / "discs" / "test" / "good").iterdir())[0]
    frames = decoded(spot, load(run))
    low = calibrate(run, threshold=float(load(run)(frames).score[0]) - 0.5)
    assert load(run)(frames).verdict.tolist() == ["anomalous"]
    marked = calibrate(run, normal=[spot])
    assert load(run)(frames).verdict.tolist() == ["good"]
    assert marked.threshold > low.threshold
    assert calibrate(run, undo=True) == low
    assert calibrate(run, undo=True) == first
    assert load(run).levels == levels


def decoded(path: Path, detector) -> np.ndarray:
    """The image at a path, as the model takes it."""
    return read_images([path], detector.config.data).frames


def test_synthetic_defects_show_what_a_threshold_finds(run, good) -> None:
    calibration = calibrate(run, footage=[good], false_alarms="5%")
    found = [option.found for option in calibration.options]
    assert found == sorted(found, reverse=True)
    detector = load(run)
    made = synthetic_terms([(detector, read_images([good], detector.config.data))])
    assert set(made.kinds) == {"bend", "cut", "scratch"}
    assert made.synthetic_reconstruction.shape == (24, 1)


def test_missing_and_too_few_images_are_refused(run, good, tmp_path) -> None:
    with pytest.raises(DmadError, match=r"nowhere\.png does not exist"):
        calibrate(run, footage=[tmp_path / "nowhere.png"])
    with pytest.raises(DmadError, match="1 good images are too few for a threshold"):
        calibrate(run, footage=[good / "000.png"])
