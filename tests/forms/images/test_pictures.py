"""One image judged and drawn: its verdict, overlay, raw map and fields."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.api import load
from dmad.data.splits import load_split
from dmad.drawing.pictures import color_wheel
from dmad.errors import DmadError
from dmad.forms.images.pictures import (
    CONTOUR,
    FULL_HEAT,
    FULL_MAP,
    ImagePictures,
    JudgedImage,
    draw_outline,
    join_tiles,
    judge_image,
    picture_name,
)
from dmad.inference.detector import Detector

GREY = np.full((64, 64, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def detector(trained_images) -> Detector:
    return load(trained_images)


@pytest.fixture(scope="module")
def spot(image_data) -> Path:
    return image_data / "discs" / "test" / "spot" / "000.png"


@pytest.fixture(scope="module")
def frame(tiny_images) -> np.ndarray:
    """The image `spot` as the model takes it, (64, 64, 3)."""
    footage = load_split(tiny_images().data, "test").footage
    (clip,) = (clip for clip in footage.clips if clip.name.endswith("spot/000.png"))
    return footage.frames[clip.start]


@pytest.fixture(scope="module")
def judged(detector, frame) -> JudgedImage:
    return judge_image(detector, [frame], "spot/000.png")


def test_an_image_is_judged_as_the_detector_does(detector, frame, judged) -> None:
    result = detector(frame[None])
    assert judged.raw == pytest.approx(result.raw[0], rel=1e-3)
    assert judged.calibrated == pytest.approx(result.score[0], rel=1e-3)
    assert judged.verdict == result.verdict[0] == "anomalous"
    assert judged.threshold == detector.calibration.threshold
    assert judged.score == judged.calibrated
    assert judged.map.shape == (64, 64)
    assert judged.forward.shape == judged.backward.shape == (2, 64, 64)
    assert judged.deformed.shape == (64, 64, 3)
    assert judged.reach >= 0


def test_without_threshold_the_raw_score_is_shown_and_no_verdict(detector, frame) -> None:
    judged = judge_image(detector.with_calibration(None), [frame], "spot")
    assert (judged.calibrated, judged.threshold, judged.verdict) == (None, None, "")
    assert judged.score == judged.raw


def test_an_image_is_explained_by_its_map_in_its_own_proportions(detector, spot, judged) -> None:
    with Image.open(spot) as opened:
        wide = opened.resize((96, 64))
    result = detector([spot, wide])
    np.testing.assert_allclose(result.explained(0).map, judged.map, rtol=1e-3, atol=1e-5)
    pictures = result.explained(1).pictures
    assert list(pictures) == ["input", "anomaly", "forward field", "backward field"]
    assert {picture.shape for picture in pictures.values()} == {(256, 384, 3)}
    assert detector(spot).plot().get_suptitle().startswith("anomalous: score")


def test_tiles_without_their_image_have_no_map(detector, frame) -> None:
    config = detector.config
    tiled = load_like(detector, replace(config, data=replace(config.data, tiles=2)))
    with pytest.raises(DmadError, match="1 tiles are given, and an image has 4"):
        _ = tiled(np.stack([frame] * 4)).map


def test_a_score_at_the_threshold_is_anomalous(judged) -> None:
    assert replace(judged, calibrated=2.0, threshold=2.0).verdict == "anomalous"
    assert replace(judged, calibrated=1.9, threshold=2.0).verdict == "good"


def test_terms_of_an_image_are_the_highest_of_its_tiles(detector, frame) -> None:
    blank = np.full_like(frame, 128)
    alone = [judge_image(detector, [tile], "tile") for tile in (frame, blank)]
    config = detector.config
    tiled = load_like(detector, replace(config, data=replace(config.data, tiles=2)))
    whole = judge_image(tiled, [frame, blank, blank, blank], "image")
    assert whole.map.shape == (128, 128)
    assert whole.deformed.shape == (128, 128, 3)
    for term in ("reconstruction", "deformation"):
        assert getattr(whole, term) == pytest.approx(
            max(getattr(one, term) for one in alone), rel=1e-3
        )
    place = np.unravel_index(whole.map.argmax(), whole.map.shape)
    expected = np.unravel_index(alone[0].map.argmax(), (64, 64))
    if alone[0].map.max() > alone[1].map.max():
        assert place == expected


def load_like(detector: Detector, config) -> Detector:
    """The same network and threshold with other settings."""
    return Detector(detector.backend, config, detector.form, calibration=detector.calibration)


def test_tiles_are_joined_in_their_order() -> None:
    tiles = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30, 40)])
    joined = join_tiles(tiles, 8)
    corners = [joined[row, column, 0] for row in (0, -1) for column in (0, -1)]
    assert corners == [10, 20, 30, 40]
    np.testing.assert_array_equal(join_tiles(tiles[:1], 4), tiles[0])


def test_the_raw_threshold_gives_the_calibrated_one(detector, judged) -> None:
    calibration, alpha = detector.calibration, detector.config.score.alpha
    level = ImagePictures(detector).threshold
    terms = np.array([level - alpha * judged.deformation]), np.array([judged.deformation])
    assert calibration.scorer.combine(*terms)[0] == pytest.approx(calibration.threshold)


def test_the_contour_is_where_the_map_reaches_the_threshold(detector) -> None:
    draw = ImagePictures(detector)
    flat = np.zeros((64, 64), np.float32)
    np.testing.assert_array_equal(draw.overlay(GREY, flat), GREY)
    flat[20:30, 20:30] = 2 * draw.threshold
    outline = (draw.overlay(GREY, flat) == CONTOUR).all(-1)
    assert outline[20, 25]
    assert not outline[25, 25]
    assert not outline[40, 40]


def test_a_usual_good_image_has_no_heat_and_a_higher_score_has(detector) -> None:
    draw = ImagePictures(detector)
    flat = np.full((64, 64), draw.usual, np.float32)
    np.testing.assert_array_equal(draw.overlay(GREY, flat), GREY)
    assert (draw.overlay(GREY, (flat + draw.threshold) / 2) != GREY).any()


def test_without_threshold_the_first_image_sets_full_heat(detector) -> None:
    draw = ImagePictures(detector.with_calibration(None))
    first = np.full((64, 64), 0.5, np.float32)
    drawn = draw.overlay(GREY, first)
    assert draw.full_heat == FULL_HEAT * 0.5
    assert not (drawn == CONTOUR).all(-1).any()
    draw.overlay(GREY, 4 * first)
    assert draw.full_heat == FULL_HEAT * 0.5


def test_an_outline_is_the_border_of_a_region() -> None:
    picture, inside = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    inside[2:6, 2:6] = True
    draw_outline(picture, inside, (1, 2, 3))
    drawn = (picture == (1, 2, 3)).all(-1)
    assert drawn.sum() == 12
    assert not drawn[3:5, 3:5].any()


def test_the_files_of_an_image_are_an_overlay_a_raw_map_and_its_fields(
    detector, judged, spot, tmp_path
) -> None:
    ImagePictures(detector).write(spot, judged, tmp_path)
    for kind, size in (("overlays", (64, 64)), ("fields", (128, 64))):
        with Image.open(tmp_path / kind / "spot" / "000.png") as picture:
            assert (picture.mode, picture.size) == ("RGB", size)
    with Image.open(tmp_path / "maps" / "spot" / "000.png") as picture:
        assert picture.mode.startswith("I")
        grey = np.asarray(picture).astype(np.uint16)
    np.testing.assert_allclose(grey / 65535 * FULL_MAP, judged.map, atol=FULL_MAP / 65535)


def test_the_map_is_hottest_at_the_spot(judged) -> None:
    row, column = np.unravel_index(judged.map.argmax(), judged.map.shape)
    assert 20 <= row <= 38
    assert 26 <= column <= 42


def test_fields_are_drawn_side_by_side_as_the_directions_in_which_features_move(
    detector, judged
) -> None:
    draw = ImagePictures(detector)
    forward, backward = np.hsplit(draw.fields(judged), 2)
    np.testing.assert_array_equal(forward, color_wheel(-judged.forward, draw.longest_field))
    np.testing.assert_array_equal(backward, color_wheel(-judged.backward, draw.longest_field))
    tiles = draw.tiles(GREY, judged)
    assert list(tiles) == ["input", "anomaly", "forward field", "backward field"]
    np.testing.assert_array_equal(tiles["backward field"], backward)


def test_pictures_are_png_files_named_as_the_image() -> None:
    assert picture_name("spot/000.png") == "spot/000.png"
    assert picture_name("spot/000.PNG") == "spot/000.PNG"
    assert picture_name("spot/000.jpg") == "spot/000.jpg.png"
