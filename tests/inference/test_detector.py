from dataclasses import replace

import numpy as np
import pytest

from dmad.data.templates import template_index
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError
from dmad.inference.detector import Detector
from dmad.model.pdm import PDM

TERMS = ("raw", "reconstruction", "deformation")

CORNER = Zone.parse("0,0 0.49,0 0.49,0.49 0,0.49", [])


@pytest.fixture
def detector(random_model, tiny, make_detector) -> Detector:
    return make_detector(random_model, tiny(None))


def scores(batches) -> np.ndarray:
    return np.concatenate([batch.raw for batch in batches])


def test_frames_without_a_past_have_no_score(detector, frames_of):
    result = detector(frames_of(3, 11))
    for values in (*(getattr(result, term) for term in TERMS), *result.released.values()):
        assert values.shape == (11,)
        assert values.dtype == np.float64
        assert np.isnan(values[:4]).all()
        assert np.isfinite(values[4:]).all()
    assert (result.deformation[4:] > 0).all()
    expected = result.reconstruction + detector.config.score.alpha * result.deformation
    np.testing.assert_allclose(result.score, expected, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 3, 4])
def test_a_clip_that_is_too_short_gives_no_judged_frame(detector, frames_of, count):
    frames = frames_of(3, 5)[:count]
    assert list(detector.judge(frames)) == []


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_size_of_a_batch_does_not_change_the_scores(detector, frames_of, batch):
    frames = frames_of(3, 21)
    batches = list(detector.judge(iter(frames), batch=batch))
    np.testing.assert_allclose(scores(batches), detector(frames).score[4:], atol=1e-5)
    assert np.concatenate([judged.index for judged in batches]).tolist() == list(range(4, 21))
    assert (np.concatenate([judged.frames for judged in batches]) == frames[4:]).all()


def test_frames_are_judged_as_they_come(detector, frames_of):
    frames, taken = frames_of(3, 9), []
    source = (taken.append(None) or frame for frame in frames)
    next(detector.judge(source, batch=1))
    assert len(taken) == 5


def test_no_frame_is_judged_over_a_gap(detector, frames_of):
    first, second = frames_of(3, 7), frames_of(4, 6)
    judged = list(detector.judge([*first, None, *second]))
    assert np.concatenate([batch.index for batch in judged]).tolist() == [4, 5, 6, 11, 12]
    expected = [*detector(first).score[4:], *detector(second).score[4:]]
    np.testing.assert_allclose(scores(judged), expected, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((9, 32, 32), np.uint8),
        np.zeros((9, 32, 32, 3), np.uint8),
        np.zeros((9, 16, 32, 1), np.uint8),
        np.zeros((9, 32, 32, 1), np.float32),
    ],
    ids=["no channels", "colour", "size", "floats"],
)
def test_frames_of_another_shape_are_refused(detector, wrong):
    with pytest.raises(DmadError, match=r"give uint8 \(N, 32, 32, 1\)"):
        detector(wrong)


def test_too_few_frames_and_other_things_are_refused(detector, frames_of):
    with pytest.raises(DmadError, match="4 frames are given, and 5 are needed"):
        detector(frames_of(3, 4))
    with pytest.raises(DmadError, match=r"no_such\.mp4"):
        detector("no_such.mp4")
    with pytest.raises(DmadError, match="the clip is of type list"):
        detector(["a.png", "b.png"])


def test_an_unknown_view_uses_only_its_own_past(detector, frames_of):
    frames = frames_of(3, 24)
    changed = frames.copy()
    changed[17:] = 255 - changed[17:]
    for batch in (1, 8):
        whole = scores(detector.judge(frames, "elsewhere", batch))
        other = scores(detector.judge(changed, "elsewhere", batch))
        np.testing.assert_allclose(whole[:13], other[:13], rtol=1e-5)
        assert (np.abs(whole[13:] - other[13:]) > 1e-3).any()


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_an_unknown_view_has_the_same_scores_in_any_batch(detector, frames_of, batch):
    frames = frames_of(3, 80)
    whole = scores(detector.judge(frames, "elsewhere"))
    np.testing.assert_allclose(scores(detector.judge(frames, "elsewhere", batch)), whole, rtol=1e-4)


def test_an_unknown_view_does_not_use_the_trained_template(
    random_model, tiny, make_detector, frames_of
):
    frames = frames_of(3, 12)
    known, unknown = [], []
    for level in (-1.0, 1.0):
        random_model.background.data.fill_(level)
        detector = make_detector(random_model, tiny(None), ("known",))
        known.append(detector(frames, "known").score[4:])
        unknown.append(detector(frames, "elsewhere").score[4:])
    assert not np.allclose(*known)
    np.testing.assert_array_equal(*unknown)


def test_a_clip_without_a_view_belongs_to_the_only_one(
    random_model, tiny, make_detector, frames_of
):
    frames = frames_of(3, 12)
    detector = make_detector(random_model, tiny(None), ("known",))
    np.testing.assert_array_equal(detector(frames).score, detector(frames, "known").score)
    assert template_index("", ("a", "b")) is None
    assert template_index("b", ("a", "b")) == 1


def test_only_a_view_that_was_not_trained_on_needs_a_template(random_model, tiny, make_detector):
    detector = make_detector(random_model, tiny(None), ("known",))
    assert not detector.needs_template("known")
    assert detector.needs_template("elsewhere")
    assert detector.template("elsewhere") is None
    np.testing.assert_array_equal(detector.template("known"), random_model.background[0].detach())


def test_single_images_of_an_unknown_view_have_scores(tiny, make_detector, frames_of):
    config = tiny(None, data={"history": 0})
    detector = make_detector(PDM(config.model, 32, 1, 0), config, ("known",))
    assert np.isfinite(detector(frames_of(3, 10), "elsewhere").score).all()


def test_windows_of_several_views_are_judged_in_one_batch(detector, frames_of):
    clips = {"": frames_of(1, 5), "elsewhere": frames_of(2, 5)}
    windows = []
    for scene, frames in clips.items():
        windows += detector.window_maker(scene).windows(frames)
    judged = detector.judge_windows(windows)
    alone = [detector(frames, scene).score[4] for scene, frames in clips.items()]
    np.testing.assert_allclose(judged.raw, alone, atol=1e-5)


def test_a_calibration_adds_the_calibrated_score_and_the_alarm(detector, frames_of, calibration_of):
    frames = frames_of(3, 20)
    plain = detector(frames)
    assert plain.calibrated is plain.alarm is plain.verdict is None
    calibration = calibration_of(float(np.nanmedian(plain.score)), window=5)
    result = detector.with_calibration(calibration)(frames)
    expected = calibration.score(plain.reconstruction, plain.deformation)
    np.testing.assert_allclose(result.calibrated, expected)
    assert result.alarm.tolist() == calibration.alarm(expected).tolist()
    assert result.alarm.any()
    assert result.verdict is None


@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_the_highest_frame_is_explained_by_its_maps(detector, frames_of, calibration_of, scene):
    frames = frames_of(3, 12)
    with_threshold = detector.with_calibration(calibration_of(0.001))
    result = with_threshold(frames, scene)
    (judged,) = (batch for batch in detector.judge(frames, scene) if result.peak in batch.index)
    judged = judged.frame(int(np.flatnonzero(judged.index == result.peak)[0]))
    np.testing.assert_allclose(result.map, detector.pixel_scores(judged)[0], rtol=1e-3, atol=1e-5)
    assert result.map.shape == (32, 32)
    pictures = result.explained(7).pictures
    assert list(pictures) == ["input", "anomaly map", "deformation"]
    assert {picture.shape for picture in pictures.values()} == {(256, 256, 3)}
    assert result.plot().get_suptitle().startswith(f"row {result.peak}, alarm: score")
    with pytest.raises(DmadError, match="frame 3 of 12 has no score; give 4 to 11"):
        result.explained(3)


def test_the_map_of_a_file_covers_the_zone(detector, calibration_of, write_clip, tmp_path):
    zone = replace(calibration_of(0.001), zone=CORNER)
    result = detector.with_calibration(zone)(write_clip(tmp_path / "clip", 3, 8))
    assert result.map[:15, :15].max() > 0
    assert not result.map[28:].any()  # the average spreads it a little
    assert detector(tmp_path / "clip").explained(6).map[28:].any()


def test_a_detector_with_another_calibration_shares_the_network(detector, calibration_of):
    other = detector.with_calibration(calibration_of(1.0))
    assert detector.calibration is None
    assert other.calibration == calibration_of(1.0)
    assert other.backend is detector.backend


def test_a_zone_is_cut_out_before_the_maximum(detector, frames_of):
    (judged,) = detector.judge(frames_of(3, 9))
    part = detector.inside(CORNER, judged)
    assert (part.raw < judged.raw).all()
    assert (part.reconstruction_map[:, 16:] == 0).all()
    assert (part.deformation_map[:, :, 16:] == 0).all()
    rows, columns = detector.config.score.kernel
    corner = judged.reconstruction_map[-1] * CORNER.mask(32)
    highest = max(
        corner[max(y - 7, 0) : y + 9, max(x - 6, 0) : x + 8].sum() / (rows * columns)
        for y in range(32)
        for x in range(32)
    )
    assert part.reconstruction[-1] == pytest.approx(highest, rel=1e-4)
    np.testing.assert_array_equal(part.released["gradient"], judged.released["gradient"])


def test_a_zone_of_everything_changes_nothing(detector, frames_of):
    (judged,) = detector.judge(frames_of(3, 9))
    everything = detector.inside(Zone.parse("0,0 1,0 1,1 0,1", []), judged)
    np.testing.assert_allclose(everything.raw, judged.raw, rtol=1e-6)
    assert detector.inside(ALL, judged) is judged


def test_a_call_scores_the_zone_of_the_calibration(detector, frames_of, calibration_of):
    frames = frames_of(3, 9)
    calibration = replace(calibration_of(7.0), zone=CORNER)
    (judged,) = detector.judge(frames)
    inside = detector.inside(CORNER, judged)
    result = detector.with_calibration(calibration)(frames)
    np.testing.assert_allclose(result.raw[4:], inside.raw)


def test_a_stream_has_the_scores_of_the_clip(detector, write_clip, frames_of, tmp_path):
    judged = list(detector.stream(write_clip(tmp_path / "clip", 3, 9)))
    np.testing.assert_allclose(
        [frame.score for frame in judged], detector(frames_of(3, 9)).score[4:], atol=1e-5
    )
