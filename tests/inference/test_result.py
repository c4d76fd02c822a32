from dataclasses import replace

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.form import Explanation
from dmad.inference.result import RELEASED, AnomalyResult, JudgedFrames


def judged(first: int, count: int, columns: int = 6) -> JudgedFrames:
    """A batch whose terms, maps and drawings are numbered."""
    index = np.arange(first, first + count)
    terms = index[:, None] + np.arange(columns, dtype=np.float32) / 10
    maps = np.ones((count, 4, 4), np.float32) * index[:, None, None].astype(np.float32)
    outputs = {
        "terms": terms,
        "map": maps,
        "reconstruction_map": maps,
        "deformation_map": maps / 2,
        "reference": maps[:, None],
    }
    return JudgedFrames.from_outputs(index, np.zeros((count, 4, 4, 1), np.uint8), outputs)


def test_terms_are_named_in_double_precision():
    batch = judged(4, 3)
    assert batch.raw.dtype == np.float64
    assert batch.raw == pytest.approx([4, 5, 6])
    assert batch.reconstruction == pytest.approx([4.1, 5.1, 6.1])
    assert batch.deformation == pytest.approx([4.2, 5.2, 6.2])
    assert tuple(batch.released) == RELEASED
    assert batch.released["gradient"] == pytest.approx([4.5, 5.5, 6.5])


def test_drawings_are_what_is_neither_score_nor_map():
    assert list(judged(4, 3).drawings) == ["reference"]


def test_images_have_no_released_terms():
    assert judged(0, 2, columns=3).released == {}


def test_one_frame_of_a_batch_is_a_batch_of_one():
    one = judged(4, 3).frame(1)
    assert one.index.tolist() == [5]
    assert one.raw == pytest.approx([5])
    assert one.released["deformation"] == pytest.approx([5.3])
    assert one.frames.shape == (1, 4, 4, 1)
    assert one.deformation_map[0, 0, 0] == 2.5
    assert one.drawings["reference"].shape == (1, 1, 4, 4)
    assert one.drawings["reference"].max() == 5


def test_frames_before_the_first_judged_one_have_no_score():
    result = AnomalyResult.from_batches([judged(2, 3), judged(5, 1)], history=2)
    np.testing.assert_allclose(result.score, [np.nan, np.nan, 2, 3, 4, 5])
    np.testing.assert_allclose(
        result.released["deformation"], [np.nan, np.nan, 2.3, 3.3, 4.3, 5.3], rtol=1e-6
    )
    assert result.calibrated is result.alarm is result.verdict is None


def test_results_of_clips_are_joined_in_order():
    first = AnomalyResult.from_batches([judged(1, 2)], history=1)
    second = AnomalyResult.from_batches([judged(0, 2)], history=0)
    joined = AnomalyResult.join([first, second])
    np.testing.assert_allclose(joined.score, [np.nan, 1, 2, 0, 1])
    assert len(joined.released["gradient"]) == 5


def test_a_threshold_marks_the_frames_of_an_event(calibration_of):
    calibration = calibration_of(10.0)  # two frames make an event
    result = AnomalyResult.from_batches([judged(1, 12, columns=3)], history=1)
    result = result.with_threshold(calibration, "frames")
    expected = result.reconstruction + 0.5 * result.deformation
    np.testing.assert_allclose(result.calibrated, expected)
    assert result.alarm.dtype == bool
    assert result.alarm.tolist() == [False, *(expected[1:] >= 10.0)]
    assert result.verdict is None


def test_a_single_frame_above_the_threshold_is_no_event(calibration_of):
    result = AnomalyResult.from_batches([judged(1, 7, columns=3)], history=0)
    result = result.with_threshold(calibration_of(10.5), "frames")
    assert (result.calibrated >= 10.5).sum() == 1
    assert not result.alarm.any()


def test_a_threshold_gives_images_a_verdict(calibration_of):
    result = AnomalyResult.from_batches([judged(0, 4, columns=3)], history=0)
    result = result.with_threshold(calibration_of(3.3), "images")
    assert result.verdict.tolist() == ["good", "good", "good", "anomalous"]
    assert result.alarm is None


def test_scores_can_be_replaced_without_the_drawings(calibration_of):
    batch = judged(0, 2)
    assert replace(batch, raw=batch.raw + 1).drawings is batch.drawings


def test_an_image_has_the_highest_terms_of_its_tiles():
    tiles = AnomalyResult(np.zeros(4), np.array([1.0, 3, 2, 1]), np.array([5.0, 4, 0, 6]), {})
    image = tiles.highest_of(2, alpha=0.5)
    assert image.reconstruction.tolist() == [3, 2]
    assert image.deformation.tolist() == [5, 6]
    assert image.raw.tolist() == [5.5, 5]


def test_a_result_is_printed_as_a_table():
    terms = np.array([np.nan, 2.0])
    video = AnomalyResult(terms, terms, terms, {}, calibrated=terms, alarm=np.array([False, True]))
    header, first, second = str(video).splitlines()
    assert header.split() == ["row", "score", "raw", "reconstruction", "deformation", "alarm"]
    assert first.split() == ["0", "nan", "nan", "nan", "nan", "False"]
    assert second.split() == ["1", "2", "2", "2", "2", "True"]


def test_only_the_first_rows_of_a_long_result_are_printed():
    terms = np.arange(30.0)
    lines = str(AnomalyResult(terms, terms, terms, {})).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "and 10 more rows"
    assert "score" not in lines[0]


def explained(row: int) -> Explanation:
    """The explanation of a row: its map and pictures have the value of the row."""
    shape = (8, 12, 3)
    names = ("input", "anomaly map", "deformation")
    pictures = {name: np.full(shape, row, np.uint8) for name in names}
    return Explanation(np.full((4, 4), row, np.float32), pictures)


def with_maps(scores: list[float], **more) -> AnomalyResult:
    terms = np.array(scores)
    return AnomalyResult(terms, terms, terms, {"gradient": terms}, explain=explained, **more)


def test_the_map_is_that_of_the_highest_score():
    result = with_maps([np.nan, 2.0, 5.0, 1.0])
    assert result.peak == 2
    assert result.map.shape == (4, 4)
    assert (result.map == 2).all()
    assert (result.explained(3).map == 3).all()


def test_a_figure_shows_the_pictures_the_verdict_and_the_scores():
    terms = np.array([np.nan, 2.0, 5.0, 1.0])
    alarm = np.array([False, False, True, True])
    result = with_maps([0.0, 0.0, 0.0, 0.0], calibrated=terms, alarm=alarm, threshold=4.0)
    figure = result.plot()
    assert figure.get_suptitle() == "row 2, alarm: score 5, threshold 4"
    *pictures, chart = figure.axes
    assert [axis.get_title() for axis in pictures] == ["input", "anomaly map", "deformation"]
    assert all((axis.images[0].get_array() == 2).all() for axis in pictures)
    np.testing.assert_array_equal(chart.lines[0].get_ydata(), terms)
    assert result.plot(1).get_suptitle() == "row 1, no alarm: score 2, threshold 4"
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_figure_of_one_image_has_no_chart():
    verdict = np.array(["anomalous"])
    result = with_maps([7.0], calibrated=np.array([7.5]), verdict=verdict, threshold=4.0)
    result = replace(result, released={})
    figure = result.plot()
    assert figure.get_suptitle() == "anomalous: score 7.5, threshold 4"
    assert len(figure.axes) == 3
    assert with_maps([7.0]).plot().get_suptitle() == "raw score 7, no threshold"


def test_without_scores_or_maps_a_message_says_so():
    terms = np.array([np.nan, np.nan])
    with pytest.raises(DmadError, match="no frame has a score"):
        _ = with_maps([np.nan, np.nan]).map
    with pytest.raises(DmadError, match="holds only scores; call the detector"):
        AnomalyResult(terms + 1, terms, terms, {}).plot(0)
