"""What the page of an evaluation of images shows."""

from dataclasses import replace

import numpy as np
import pytest

from dmad.api import load
from dmad.config import plain
from dmad.data.splits import load_split
from dmad.evaluation.result import Evaluation
from dmad.forms.images.evaluation import CALIBRATED, RAW, evaluate
from dmad.forms.images.pictures import ImagePictures
from dmad.forms.images.summary import (
    headline,
    judged_tiles,
    panel,
    series,
    shown_images,
    strongest,
    subtitle,
    summarise,
    verdict_table,
    wrong_verdicts,
)
from dmad.runs import find_model, read_card

TILES = ("input", "anomaly", "forward field", "backward field", "marked")


@pytest.fixture(scope="module")
def detector(trained_images):
    return load(trained_images)


@pytest.fixture(scope="module")
def test_split(tiny_images):
    return load_split(tiny_images().data, "test")


@pytest.fixture(scope="module")
def evaluation(detector, test_split) -> Evaluation:
    return evaluate(detector, test_split)


def test_a_report_shows_the_threshold_and_the_strongest_images(
    trained_images, detector, test_split, evaluation
) -> None:
    card = read_card(find_model(trained_images))
    report = summarise("mine", detector, test_split, evaluation, card)
    assert (report.title, report.unit, report.fps) == ("mvtec / mine", "image", None)
    assert report.threshold == detector.calibration.threshold
    assert len(report.panels) == 8
    assert [name for name, _, _ in report.roc] == [CALIBRATED, RAW, "Eq. 20"]
    assert report.alarms is None
    assert len(report.history) == 6
    assert report.settings == plain(detector.config)  # with the α that was chosen


def test_the_subtitle_names_the_images_and_the_teacher(detector, test_split) -> None:
    assert subtitle(detector, test_split) == (
        "mvtec discs: 8 test images; resnet18, 64 pixels, 6 epochs, seed 0"
    )


def test_the_headline_holds_detection_localisation_and_the_threshold(evaluation) -> None:
    titles = [title for _, title, _ in headline(evaluation)]
    assert titles == [
        "image AUROC, deployable",
        "pixel AUROC",
        "AUPRO",
        "abnormal found",
        "good rejected",
    ]
    assert all(note for _, _, note in headline(evaluation))


def test_the_series_shows_good_images_first(detector, test_split, evaluation) -> None:
    shown = series(test_split, evaluation)
    assert shown.labels.tolist() == [0] * 4 + [1] * 4
    assert all("good" in name for name in shown.names[:4])
    assert all("spot" in name for name in shown.names[4:])
    assert (shown.score[:4].max() < shown.score[4:]).all()
    rejected = np.zeros(8, bool)
    for start, end in shown.events:
        rejected[start:end] = True
    np.testing.assert_array_equal(rejected, shown.score >= detector.calibration.threshold)


def test_the_series_without_threshold_shows_no_events(detector, test_split) -> None:
    without = evaluate(detector.with_calibration(None), test_split)
    assert series(test_split, without).events is None


def test_the_strongest_abnormal_images_come_before_the_strongest_good_ones(evaluation) -> None:
    labels = np.array([0, 1] * 8, np.uint8)
    scores = np.arange(16.0)
    many = replace(
        evaluation, scores=replace(evaluation.scores, labels=labels), deployable={RAW: scores}
    )
    assert strongest(many) == [15, 13, 11, 9, 7, 5, 14, 12, 10, 8, 6, 4]


@pytest.fixture
def mistaken(evaluation) -> Evaluation:
    """Six images with scores around the threshold 3. Numbers 1 and 3 are missed, 4 is rejected."""
    rule = replace(evaluation.calibration.rule, on=3.0, off=3.0)
    return replace(
        evaluation,
        calibration=replace(evaluation.calibration, rule=rule),
        scores=replace(evaluation.scores, labels=np.array([0, 1, 1, 1, 0, 0], np.uint8)),
        deployable={evaluation.signal: np.array([1.0, 2.5, 5.0, 2.0, 4.0, 0.0])},
    )


def test_wrong_verdicts_are_shown_before_the_highest_scores(mistaken) -> None:
    assert wrong_verdicts(mistaken) == [3, 1, 4]
    assert shown_images(mistaken) == [3, 1, 4, 2, 0, 5]


def test_the_verdicts_are_counted_by_label(mistaken) -> None:
    (table,) = verdict_table(mistaken)
    assert table.rows == [["abnormal images", "1", "2"], ["good images", "1", "2"]]


def test_without_threshold_there_are_no_verdicts(mistaken) -> None:
    without = replace(mistaken, calibration=None)
    assert verdict_table(without) == wrong_verdicts(without) == []


def test_a_panel_has_a_tile_for_each_title(detector, test_split) -> None:
    draw = ImagePictures(detector)
    clips = {clip.name: clip for clip in test_split.footage.clips}
    spot, good = (
        panel(detector, test_split, clips[name], abnormal, draw)
        for name, abnormal in (("test/spot/000.png", True), ("test/good/000.png", False))
    )
    assert spot.tiles == good.tiles == TILES
    assert spot.image.shape == (64, len(TILES) * 64, 3)
    assert "labelled abnormal; judged anomalous" in spot.caption
    assert "labelled good; judged " in good.caption


def test_a_panel_without_threshold_says_so(detector, test_split) -> None:
    without = detector.with_calibration(None)
    clip = test_split.footage.clips[0]
    shown = panel(without, test_split, clip, False, ImagePictures(without))
    assert shown.caption.endswith("no threshold yet")


def test_the_mask_is_shown_beside_the_image(detector, test_split) -> None:
    (clip,) = (clip for clip in test_split.footage.clips if clip.name.endswith("spot/000.png"))
    judged, tiles = judged_tiles(detector, test_split, clip, ImagePictures(detector))
    assert judged.name == clip.name
    np.testing.assert_array_equal(tiles["input"], test_split.footage.frames[clip.start])
    marked = np.argwhere(tiles["marked"].any(-1))
    assert (marked.min(0).tolist(), marked.max(0).tolist()) == ([24, 30], [33, 37])
    _, without = judged_tiles(
        detector, replace(test_split, masks=None), clip, ImagePictures(detector)
    )
    assert "marked" not in without
