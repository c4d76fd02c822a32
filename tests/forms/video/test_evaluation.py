"""The evaluation of video: scores of clips, the ledger, and maps against masks."""

from dataclasses import replace

import numpy as np
import pytest

from dmad.data.footage import LabelledFootage, footage_from_arrays
from dmad.data.zones import Zone
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.evaluation.result import CALIBRATED, RAW, RAW_12, RAW_13
from dmad.forms.video.evaluation import MaskedFrames, evaluate, score_clips
from dmad.inference.detector import Detector
from dmad.model.pdm import PDM

LEFT_UPPER = Zone.parse("0,0 0.49,0 0.49,0.49 0,0.49", [])


@pytest.fixture
def detector(random_model, tiny, make_detector) -> Detector:
    return make_detector(random_model, tiny(None))


@pytest.fixture
def two(frames_of) -> LabelledFootage:
    """Two clips of ten frames, the last three of each abnormal."""
    whole = footage_from_arrays([frames_of(1, 10), frames_of(2, 10)], 10.0)
    return LabelledFootage(whole, np.tile([0] * 7 + [1] * 3, 2).astype(np.uint8), "mine")


def squares(two: LabelledFootage) -> dict[str, np.ndarray]:
    """A square mask in the abnormal frames of each clip."""
    masks = {clip.name: np.zeros((10, 32, 32), bool) for clip in two.footage.clips}
    for mask in masks.values():
        mask[7:, 10:16, 10:16] = True
    return masks


def test_scores_are_those_of_the_detector_clip_by_clip(detector, two, frames_of) -> None:
    evaluation = evaluate(detector, two)
    alone = [detector(frames_of(seed, 10)) for seed in (1, 2)]
    channels = {"score": "score", "eq12": "reconstruction", "eq13": "deformation"}
    for channel, term in channels.items():
        expected = np.concatenate([getattr(result, term) for result in alone])
        np.testing.assert_allclose(evaluation.scores.channels[channel], expected, atol=1e-5)
    for name, values in alone[0].released.items():
        np.testing.assert_allclose(evaluation.scores.channels[name][:10], values, rtol=1e-4)
    assert evaluation.scores.clip_lengths.tolist() == [10, 10]
    assert (evaluation.scores.fps, evaluation.scores.label_name) == (10.0, "mine")
    assert evaluation.ledger.frames_without_score == 8


def test_the_calibrated_score_starts_again_with_each_clip(
    detector, two, frames_of, calibration_of
) -> None:
    detector = detector.with_calibration(calibration_of(1.0, window=8))
    evaluation = evaluate(detector, two)
    expected = np.concatenate([detector(frames_of(seed, 10)).calibrated for seed in (1, 2)])
    np.testing.assert_allclose(evaluation.deployable[CALIBRATED], expected, atol=1e-4)
    assert evaluation.signal == CALIBRATED
    expected_auroc = micro_auroc(evaluation.deployable[CALIBRATED], two.labels)
    assert evaluation.ledger.value(CALIBRATED) == expected_auroc


def test_raw_scores_and_terms_are_the_signals_without_a_threshold(detector, two) -> None:
    evaluation = evaluate(detector, two)
    assert list(evaluation.deployable) == [RAW, RAW_12, RAW_13]
    assert evaluation.calibration is None
    assert CALIBRATED not in {row.signal for row in evaluation.ledger.rows}
    assert evaluation.ledger.value(RAW) == micro_auroc(evaluation.deployable[RAW], two.labels)


def test_a_threshold_is_judged_by_its_alarms(detector, two, calibration_of) -> None:
    calibration = calibration_of(1e-4, minimum=1)  # below every score
    ledger = evaluate(detector.with_calibration(calibration), two).ledger
    assert ledger.value(CALIBRATED, "event_recall") == 1
    metrics = {row.metric for row in ledger.rows if row.signal == CALIBRATED}
    assert metrics >= {"micro_AUROC", "AP", "false_alarms_per_hour", "detection_delay_s"}


def test_footage_of_another_rate_than_that_of_the_threshold_gives_a_warning(
    detector, two, calibration_of, logged
) -> None:
    evaluate(detector.with_calibration(calibration_of(1.0, fps=10.0)), two)
    assert not logged()
    evaluate(detector.with_calibration(calibration_of(1.0, fps=25.0)), two)
    assert "25" in logged()


def test_blind_signals_are_only_of_frames_in_order(random_model, tiny, make_detector, two) -> None:
    """Images have no place in time from which a label could be guessed."""
    video = make_detector(random_model, tiny(None))
    assert "blind" in {row.block for row in evaluate(video, two).ledger.rows}
    config = tiny(None, data={"history": 0})
    single = make_detector(PDM(config.model, 32, 1, 0), config)
    assert {row.block for row in evaluate(single, two).ledger.rows} == {"deployable"}


def test_maps_are_compared_with_the_masks_of_their_clip(detector, two) -> None:
    masks = squares(two)
    metrics = PixelMetrics()
    for clip in two.footage.clips:
        for judged in detector.judge(two.footage.frames[clip.span]):
            maps = detector.pixel_scores(judged)
            for index, scores in zip(judged.index, maps, strict=True):
                metrics.update(scores, masks[clip.name][index])
    ledger = evaluate(detector, replace(two, masks=masks.__getitem__)).ledger
    assert ledger.value(RAW, "pixel_AUROC") == pytest.approx(metrics.auroc())
    notes = {row.metric: row.note for row in ledger.rows}
    assert (notes["RBDC"], notes["TBDC"]) == ("6 regions", "2 tracks")


def test_without_masks_there_are_no_rows_of_pixels(detector, two) -> None:
    metrics = {row.metric for row in evaluate(detector, two).ledger.rows}
    assert not metrics & {"pixel_AUROC", "AUPRO", "RBDC", "TBDC"}


def test_masked_frames_can_be_iterated_repeatedly(two) -> None:
    masks = squares(two)
    maps = np.arange(20, dtype=np.float32)[:, None, None] * np.ones((1, 32, 32), np.float32)
    frames = MaskedFrames(maps, replace(two, masks=masks.__getitem__))
    for _ in range(2):
        values = [(scores[0, 0], mask.any()) for scores, mask in frames]
        assert values == [(index, index % 10 >= 7) for index in range(20)]


def test_maps_of_scored_clips_are_in_the_order_of_the_footage(detector, frames_of) -> None:
    footage = footage_from_arrays([frames_of(1, 6), frames_of(2, 9)])
    maps = np.full((15, 32, 32), np.nan, np.float32)
    score_clips(detector, footage, maps)
    assert np.flatnonzero(np.isnan(maps).all((1, 2))).tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    (judged,) = detector.judge(frames_of(2, 9))
    np.testing.assert_allclose(maps[10:], detector.pixel_scores(judged), rtol=1e-4)


def test_only_the_zone_is_scored(detector, frames_of) -> None:
    footage = footage_from_arrays([frames_of(3, 9)], 10.0)
    (part,) = score_clips(detector, footage, zone=LEFT_UPPER)
    (whole,) = score_clips(detector, footage)
    assert (part.score[4:] < whole.score[4:]).all()


def test_each_clip_is_scored_in_its_own_view(random_model, tiny, make_detector, frames_of) -> None:
    detector = make_detector(random_model, tiny(None), ("known",))
    footage = footage_from_arrays([frames_of(1, 9), frames_of(1, 9)])
    first, second = footage.clips
    clips = (replace(first, scene="known"), replace(second, scene="new"))
    known, new = score_clips(detector, replace(footage, clips=clips))
    np.testing.assert_allclose(new.score, detector(frames_of(1, 9), "new").score, rtol=1e-4)
    assert not np.allclose(known.score[4:], new.score[4:], rtol=1e-3)
