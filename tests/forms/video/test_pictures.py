"""Pictures of judged frames: their colours, their tiles, and which are kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.data.footage import footage_from_arrays
from dmad.drawing.pictures import color_wheel, error_image
from dmad.forms.video.pictures import (
    DEFORMATION,
    HEAT,
    ColourScale,
    HighestPictures,
    Picture,
    clock,
    deformation_text,
    diversity_panel,
    picture_of_frame,
    pictures,
    reference_error,
    same_scale,
    stage_names,
    stages,
    to_image,
    total_fields,
    true_size,
    with_scores,
)
from dmad.inference.detector import Detector
from dmad.model.deformation import grid_units, warp
from dmad.model.pdm import PDM


@pytest.fixture
def detector(random_model, tiny, make_detector) -> Detector:
    return make_detector(random_model, tiny(None))


@pytest.fixture
def undeformed(tiny, make_detector) -> Detector:
    """A detector whose network has no deformation heads."""
    config = tiny(None)
    config = replace(config, model=replace(config.model, reductions=(), displacements=()))
    torch.manual_seed(0)
    return make_detector(PDM(config.model, 32, 1, 4), config)


def judged_frames(detector, frames_of, count: int = 9):
    (judged,) = detector.judge(frames_of(3, count))
    return judged


def picture(detector, index: int = 0, score: float = 0.0, shift: float = 0.0, **known) -> Picture:
    """A picture of a black frame whose reference is shifted to the right."""
    dot = np.zeros((32, 32, 1), np.uint8)
    field = np.zeros((2, 32, 32), np.float32)
    field[0] = shift
    return Picture(
        index=index,
        score=score,
        frame=dot,
        reference=dot,
        stages=(dot,),
        error=np.zeros((32, 32), np.float32),
        heat_map=np.zeros((32, 32), np.float32),
        field=field,
        full_error=1.0,
        scale=ColourScale.from_detector(detector),
        **known,
    )


def kept(pictures: HighestPictures) -> list[tuple[int, float]]:
    return [(one.index, one.score) for one in pictures.pictures]


def flat(value: float) -> np.ndarray:
    return np.full((2, 2), value)


def test_heat_is_scaled_by_the_median_of_the_peaks_so_far(detector) -> None:
    scale = ColourScale.from_detector(detector)
    full = [scale.heat(flat(peak), flat(0))[1] for peak in (1.0, 9.0, 9.0)]
    assert full == [3.0, 15.0, 27.0]
    heat, _ = scale.heat(flat(4.5), flat(0))
    assert heat == pytest.approx(4.5 / (3 * 6.75))  # 6.75 is the median of 1, 4.5, 9 and 9


def test_heat_without_a_threshold_is_eq_14_in_shares_of_the_usual_peak(detector) -> None:
    scale = ColourScale(detector.config, usual_peak=2.0)
    heat, full = scale.heat(flat(3.0), flat(1.5))
    assert full == 6.0
    assert heat == pytest.approx((3.0 + detector.config.score.alpha * 1.5) / 6.0)
    assert scale.heat_marks() == {"0": 0, "usual peak": 1 / 3, "3 times": 1}


def test_heat_has_the_unit_of_the_threshold(detector, calibration_of) -> None:
    """The heat of a place is its part of the calibrated score: half of full colour at 4.0."""
    scorer = Scorer(Standardisation(2.0, 0.5), Standardisation(1.0, 0.25), 0.5, 1)
    calibration = replace(calibration_of(4.0), scorer=scorer)
    scale = ColourScale.from_detector(detector.with_calibration(calibration))
    heat, full = scale.heat(np.array([[2.0, 4.0, 2.0, 0.0]]), np.array([[1.0, 1.0, 3.0, 0.0]]))
    assert heat.tolist() == [[0.0, 0.5, 0.5, 0.0]]
    assert full == 2.0 + 8 * 0.5
    assert scale.heat_marks() == {"0": 0, "threshold 4.0": 0.5, "8.0": 1}


def test_heat_is_defined_for_empty_maps_and_a_threshold_of_zero(detector, calibration_of) -> None:
    assert not ColourScale(detector.config).heat(flat(0), flat(0))[0].any()
    scale = ColourScale(detector.config, calibration=calibration_of(0.0))
    assert np.isfinite(scale.heat(flat(1), flat(0))[0]).all()


def test_every_frame_of_a_batch_is_drawn(detector, frames_of) -> None:
    judged = judged_frames(detector, frames_of)
    drawn = list(pictures(judged, ColourScale(detector.config)))
    assert [one.index for one in drawn] == [4, 5, 6, 7, 8]
    for row, one in enumerate(drawn):
        assert one.score == judged.raw[row]
        np.testing.assert_array_equal(one.frame, judged.frames[row])
        np.testing.assert_array_equal(one.reference, to_image(judged.drawings["reference"][row]))
        assert len(one.stages) == 2
        field = total_fields(judged.drawings["offsets"], judged.drawings["reference"])[row]
        assert one.longest_shift == pytest.approx(np.hypot(*field).max())
        assert one.longest_shift > 0


def test_a_picture_has_a_title_for_each_tile(detector, frames_of) -> None:
    one, *_ = pictures(judged_frames(detector, frames_of), ColourScale(detector.config))
    first_lines = [title.split("\n")[0] for title in one.titles()]
    assert first_lines == [
        *("frame", "reference", "prediction", "prediction", "deformation", "difference", "heat")
    ]
    assert len(one.tiles()) == len(one.titles())
    assert one.label() == f"frame 4\nscore {one.score:.3f}"
    panel = one.panel()
    assert panel.shape[0] > 2 * 256
    assert panel.shape[1] > 4 * 256


def test_a_panel_marks_the_place_with_the_highest_heat(detector) -> None:
    heat = np.zeros((32, 32), np.float32)
    heat[16:24, 8:16] = 1
    one = replace(picture(detector), heat_map=heat)
    edge = np.array([0, 220, 255])  # the colour of the box
    rows, columns = np.nonzero((one.panel() == edge).all(-1))
    rows, columns = (places[rows < rows.min() + 100] for places in (rows, columns))
    side = 64 + 6  # 8 of 32 rows, drawn 8 times as large, and a line of 3 pixels
    assert np.ptp(rows) + 1 == pytest.approx(side, abs=1)
    edges = np.unique(columns)
    boxes = np.split(edges, np.flatnonzero(np.diff(edges) > 1) + 1)
    assert len(boxes) == 3  # in the frame, the prediction and the deformation
    assert [np.ptp(box) + 1 for box in boxes] == pytest.approx([side] * 3, abs=1)


def test_a_frame_is_kept_once_even_if_no_distance_is_asked_for(detector) -> None:
    highest = HighestPictures(3, apart=0, window=4)
    for index, score in enumerate([0.0, 9.0, 1.0, 2.0]):
        highest.offer(picture(detector, index, score, calibrated=score))
    frames = [index for index, _ in kept(highest)]
    assert len(frames) == len(set(frames)) > 0


def test_a_panel_has_a_thin_box_for_each_other_place_and_says_so(detector, calibration_of) -> None:
    calibrated = detector.with_calibration(calibration_of(6.4))
    heat = np.zeros((32, 32), np.float32)
    heat[16:24, 8:16] = 1
    two = heat.copy()
    two[0:4, 24:32] = 0.9
    one, both = (replace(picture(calibrated), heat_map=places).panel() for places in (heat, two))
    lines = [int((image == [0, 220, 255]).all(-1).sum()) for image in (one, both)]
    side = 64  # 8 of 32 columns, drawn 8 times as large; the place is half as high
    assert lines[1] - lines[0] == pytest.approx(3 * side, abs=6)  # a line of one pixel
    assert len(both) > len(one)  # one more line of text


@pytest.mark.parametrize(("shift", "has_arrows"), [(0.15, False), (0.25, True)])
def test_a_clear_deformation_has_arrows(detector, shift: float, has_arrows: bool) -> None:
    drawn = picture(detector, shift=shift).deformation
    assert (drawn < 60).all(-1).any() == has_arrows


def test_other_places_that_reach_the_threshold_have_a_box(detector, calibration_of) -> None:
    """The threshold is at half of full colour. The place with the highest heat is left out."""
    heat = np.zeros((32, 32), np.float32)
    heat[16:24, 8:16] = 1
    heat[0:4, 24:32] = 0.5
    heat[28:32, 24:32] = 0.49
    calibrated = replace(picture(detector.with_calibration(calibration_of(6.4))), heat_map=heat)
    assert calibrated.other_places((0.25, 0.5, 0.5, 0.75)) == [(0.75, 0.0, 1.0, 0.125)]
    without = replace(picture(detector), heat_map=heat)
    assert without.other_places((0.25, 0.5, 0.5, 0.75)) == []


def test_a_panel_says_which_frame_it_shows_and_of_which_frames_the_score_is_the_mean(
    detector, calibration_of
) -> None:
    calibrated = detector.with_calibration(calibration_of(6.4))
    one = picture(calibrated, index=165, score=12.3, time=16.5, calibrated=7.06)
    assert one.heading() == "frame 165, 16.5 s: score 7.1 reaches the threshold of 6.4"
    mean = replace(one, averaged=8, until="frame 172, 17.2 s", calibrated=6.3)
    assert mean.heading() == (
        "frame 165, 16.5 s: score of this frame alone 12.3\n"
        "mean score of the 8 frames up to frame 172, 17.2 s: 6.3 is below the threshold of 6.4"
    )
    assert picture(detector, index=3, score=0.5).heading() == "frame 3: score 0.500"


def test_the_colour_of_a_deformation_shows_where_the_reference_moves(detector) -> None:
    """A pixel that is taken from its right neighbour shows a thing that moves to the left."""
    drawn = picture(detector, shift=1.0).deformation
    left = color_wheel(np.array([-1.0, 0.0]).reshape(2, 1, 1), 1.0)[0, 0]
    assert (drawn == left).all(-1).mean() > 0.5
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 1
    field = torch.zeros(1, 2, 9, 9)
    field[:, 0] = grid_units(1.0, 9)
    assert warp(dot, field)[0, 0, 4].argmax() == 3


def test_with_a_calibration_the_score_of_a_frame_has_the_unit_of_the_threshold(
    detector, calibration_of, frames_of
) -> None:
    judged = judged_frames(detector, frames_of)
    scorer = Scorer(Standardisation(2.0, 0.5), Standardisation(1.0, 0.25), 0.5, 8)
    calibration = replace(calibration_of(4.0), scorer=scorer)
    drawn = list(pictures(judged, ColourScale(detector.config, calibration=calibration)))
    expected = (judged.reconstruction - 2) / 0.5 + 0.5 * (judged.deformation - 1) / 0.25
    np.testing.assert_allclose([one.score for one in drawn], expected)


def test_a_panel_has_a_legend_for_deformation_and_heat(detector) -> None:
    one = picture(detector)
    assert one.scale.legends().keys() == {DEFORMATION, HEAT} <= set(one.titles())


def test_tiles_have_the_proportions_of_the_camera(detector, frames_of) -> None:
    scale = ColourScale(detector.config)
    one, *_ = pictures(judged_frames(detector, frames_of), scale, aspect=1.5)
    assert {tile.shape for tile in one.tiles()} == {(256, 384, 3)}
    assert true_size(128, 1.5) == (384, 256)
    assert true_size(512, 0.5) == (256, 512)


def test_a_label_has_time_score_and_threshold_if_they_are_known(detector, calibration_of) -> None:
    calibrated = detector.with_calibration(calibration_of(6.4))
    one = picture(calibrated, index=3, score=0.5, time=0.3, calibrated=7.06)
    assert one.label() == "frame 3, 0.3 s\nscore 7.1, threshold 6.4"
    assert clock(7, float("nan")) == "frame 7"


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (0.0, "no deformation: below 0.05 px"),
        (0.049, "no deformation: below 0.05 px"),
        (0.05, "the reference is shifted by up to 0.1 px"),
        (1.3, "the reference is shifted by up to 1.3 px"),
    ],
)
def test_a_deformation_is_described_in_words(pixels: float, text: str) -> None:
    assert deformation_text(pixels) == text


def test_only_a_visible_deformation_is_drawn_as_colour(detector) -> None:
    def lower_half(shift: float) -> np.ndarray:
        return picture(detector, shift=shift).deformation[128:]

    np.testing.assert_array_equal(lower_half(0.04), lower_half(0.0))
    assert np.ptp(lower_half(0.0), axis=-1).max() == 0  # grey
    coloured = np.ptp(lower_half(1.0), axis=-1) > 50
    assert 0.75 < coloured.mean() < 1  # the arrows are dark grey


def test_frames_of_a_model_without_heads_are_drawn_too(undeformed, frames_of) -> None:
    one, *_ = pictures(judged_frames(undeformed, frames_of), ColourScale(undeformed.config))
    assert one.titles()[2] == "prediction"
    assert one.longest_shift == 0
    assert len(one.tiles()) == len(one.titles())


def test_stages_are_named_from_coarse_to_fine() -> None:
    assert stage_names(1) == ["reconstruction"]
    assert stage_names(2) == ["coarse", "fine"]
    assert stage_names(4) == ["coarse", "stage 2", "stage 3", "fine"]


def test_stages_are_the_reference_and_each_reconstruction(detector, frames_of) -> None:
    judged = judged_frames(detector, frames_of)
    drawn = stages(judged)
    assert list(drawn) == ["reference", "coarse", "fine"]
    assert {len(images) for images in drawn.values()} == {5}
    fine = judged.drawings["reconstructions"][2, 1]
    np.testing.assert_array_equal(drawn["fine"][2], to_image(fine))


def test_an_image_is_scaled_from_minus_one_to_one() -> None:
    x = np.array([[[-1.0, 0.0, 1.0, -3.0, 3.0]]])
    assert to_image(x)[0, :, 0].tolist() == [0, 128, 255, 0, 255]
    assert to_image(np.zeros((3, 4, 5))).shape == (4, 5, 3)


def test_constant_fields_add_up_in_pixels() -> None:
    fields = np.zeros((1, 2, 2, 32, 32), np.float32)
    fields[:, 0, 0] = grid_units(2.0, 32)
    fields[:, 1, 1] = grid_units(-1.0, 32)
    total = total_fields(fields, np.zeros((1, 1, 32, 32), np.float32))
    assert total.shape == (1, 2, 32, 32)
    centre = (0, slice(None), slice(8, 24), slice(8, 24))
    np.testing.assert_allclose(total[centre][0], 2.0, atol=1e-4)
    np.testing.assert_allclose(total[centre][1], -1.0, atol=1e-4)


def test_without_fields_the_total_is_zero() -> None:
    total = total_fields(None, np.ones((2, 1, 8, 9), np.float32))
    assert total.shape == (2, 2, 8, 9)
    assert not total.any()


def test_one_frame_of_footage_is_judged_and_drawn(detector, frames_of) -> None:
    footage = footage_from_arrays([frames_of(1, 9), frames_of(2, 9)])
    drawn = picture_of_frame(detector, footage, footage.clips[1], 15, ColourScale(detector.config))
    assert drawn.index == 6
    np.testing.assert_array_equal(drawn.frame, footage.frames[15])
    assert drawn.score == pytest.approx(detector(frames_of(2, 9)).score[6], rel=1e-4)


def test_a_frame_of_a_new_view_is_judged_with_all_frames_before_it(
    random_model, tiny, make_detector, frames_of
) -> None:
    detector = make_detector(random_model, tiny(None), ("another",))
    footage = footage_from_arrays([frames_of(1, 20)])
    clip = replace(footage.clips[0], scene="new")
    drawn = picture_of_frame(detector, footage, clip, 15, ColourScale(detector.config))
    assert drawn.index == 15
    assert drawn.score == pytest.approx(detector(frames_of(1, 20), "new").score[15], rel=1e-4)


def test_the_highest_pictures_are_kept(detector) -> None:
    highest = HighestPictures(3)
    for index, score in enumerate([0.2, 0.9, 0.1, 0.9, 0.5]):
        highest.offer(picture(detector, index, score))
    assert kept(highest) == [(3, 0.9), (1, 0.9), (4, 0.5)]


def test_of_one_moment_only_the_highest_picture_is_kept(detector) -> None:
    highest = HighestPictures(3, apart=2)
    for index, score in enumerate([0.2, 0.9, 0.1, 0.3, 0.5]):
        highest.offer(picture(detector, index, score))
    assert kept(highest) == [(1, 0.9), (4, 0.5)]


def test_of_a_mean_score_the_frame_with_the_highest_score_of_its_own_is_kept(detector) -> None:
    """The mean of three frames is highest at frame 3. Of frames 1 to 3, frame 1 is the highest."""
    highest = HighestPictures(1, apart=9, window=3)
    scores, means = [0.0, 9.0, 6.0, 6.0, 1.0], [0.0, 4.5, 5.0, 7.0, 4.3]
    for index, (score, mean) in enumerate(zip(scores, means, strict=True)):
        highest.offer(picture(detector, index, score, time=index / 10, calibrated=mean))
    (one,) = highest.pictures
    assert (one.index, one.score, one.calibrated) == (1, 9.0, 7.0)
    assert (one.averaged, one.until) == (3, "frame 3, 0.3 s")


def test_the_frames_of_a_mean_score_are_on_one_side_of_a_gap(detector) -> None:
    highest = HighestPictures(1, apart=9, window=8)
    for index, score, mean in ((0, 9.0, 1.0), (1, 8.0, 2.0), (3, 3.0, 3.0), (4, 5.0, 4.0)):
        highest.offer(picture(detector, index, score, calibrated=mean))
    (one,) = highest.pictures
    assert (one.index, one.calibrated, one.averaged) == (4, 4.0, 2)


def test_no_picture_is_kept_if_none_is_asked_for(detector) -> None:
    highest = HighestPictures(0)
    highest.offer(picture(detector, 0, 1.0))
    assert kept(highest) == []


def test_the_pixel_wise_error_is_that_of_the_reference(detector, frames_of) -> None:
    judged, config = judged_frames(detector, frames_of), detector.config.score
    error, peaks = reference_error(judged, config)
    square = ((judged.frames[..., 0] / 127.5 - 1) - judged.drawings["reference"][:, 0]) ** 2
    np.testing.assert_allclose(error.numpy(), square, atol=1e-5)
    rows, columns = config.kernel
    top, left = (rows - 1) // 2, (columns - 1) // 2
    padded = np.pad(square, ((0, 0), (top, rows - 1 - top), (left, columns - 1 - left)))
    means = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), (1, 2)).mean((3, 4))
    np.testing.assert_allclose(peaks.numpy(), means.max((1, 2)), rtol=1e-4)


def test_maps_of_a_column_share_their_colours() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 1, 1], maps[1, 1, 1] = 2.0, 1.0
    high, low = same_scale(maps)
    full = error_image(np.ones((1, 1), np.float32), 1.0)[0, 0]
    np.testing.assert_array_equal(high[1, 1], full)
    assert not (low == full).all(-1).any()
    assert same_scale(np.zeros((1, 4, 4), np.float32))[0].shape == (4, 4, 3)


def test_small_images_are_enlarged_before_a_score_is_written_on_them() -> None:
    blank = np.full((32, 32, 3), 90, np.uint8)
    (marked,) = with_scores([blank], np.array([0.25]))
    assert marked.shape == (160, 160, 3)
    assert (marked != 90).any()
    (large,) = with_scores([np.zeros((200, 200, 3), np.uint8)], np.array([0.25]))
    assert large.shape == (200, 200, 3)


def test_fig2_has_a_row_for_each_image_and_its_lettered_columns(detector, frames_of) -> None:
    judged = judged_frames(detector, frames_of, count=6)
    panel = diversity_panel(judged, detector.config.score, ["normal", "abnormal"])
    assert panel.ndim == 3
    assert panel.shape[1] > 7 * 32
