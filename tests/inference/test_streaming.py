from dataclasses import replace

import numpy as np
import pytest

from dmad.data.reading.source_frames import SourceFrame
from dmad.data.zones import Zone
from dmad.drawing.video_writer import VideoWriter
from dmad.inference.detector import Detector
from dmad.inference.streaming import (
    JudgedFrame,
    Stream,
    add_frames,
    follow,
    judge_clip,
    judge_source_frames,
)
from dmad.model.pdm import PDM

CORNER = Zone.parse("0,0 0.49,0 0.49,0.49 0,0.49", [])


@pytest.fixture
def detector(random_model, tiny, make_detector) -> Detector:
    return make_detector(random_model, tiny(None))


def judge_all(stream: Stream, frames) -> list[JudgedFrame]:
    """The judged frames. Frames with too few past frames are left out."""
    judged = [stream.add_frame(frame) for frame in frames]
    return [frame for frame in judged if frame is not None]


def scores(stream: Stream, frames) -> list[float]:
    return [judged.raw for judged in judge_all(stream, frames)]


@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_a_stream_has_the_scores_of_the_clip(detector, frames_of, scene):
    frames = frames_of(3, 75)
    stream = Stream(detector, scene)
    assert [stream.add_frame(frame) for frame in frames[:4]] == [None] * 4
    np.testing.assert_allclose(
        scores(stream, frames[4:]), detector(frames, scene).score[4:], atol=1e-5
    )


@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_single_images_are_judged_from_the_first(tiny, make_detector, frames_of, scene):
    config = tiny(None, data={"history": 0})
    detector = make_detector(PDM(config.model, 32, 1, 0), config)
    frames = frames_of(3, 40)
    found = scores(Stream(detector, scene), frames)
    np.testing.assert_allclose(found, detector(frames, scene).score, atol=1e-5)


def test_streams_judged_together_have_the_scores_of_each_alone(detector, frames_of):
    clips = [frames_of(seed, 12) for seed in (1, 2, 3)]
    scenes = ["", "elsewhere", ""]
    streams = [Stream(detector, scene) for scene in scenes]
    judged = [add_frames(streams, frames) for frames in zip(*clips, strict=True)]
    for k, (scene, clip) in enumerate(zip(scenes, clips, strict=True)):
        found = [row[k].score for row in judged if row[k]]
        np.testing.assert_allclose(found, detector(clip, scene).score[4:], atol=1e-5)


def test_streams_judged_together_have_their_own_thresholds(detector, frames_of, calibration_of):
    smoothed = detector.with_calibration(calibration_of(1.0, window=5))
    streams = [Stream(smoothed), Stream(detector)]
    for frame in frames_of(1, 9):
        first, second = add_frames(streams, [frame, frame])
    assert first.calibrated == pytest.approx(smoothed(frames_of(1, 9)).calibrated[-1], abs=1e-5)
    assert np.isnan(second.calibrated)


def test_a_stream_that_has_no_past_yet_does_not_stop_others(detector, frames_of):
    first, second = Stream(detector), Stream(detector)
    judge_all(first, frames_of(1, 6))
    ready, not_ready = add_frames([first, second], frames_of(1, 2))
    assert ready is not None
    assert not_ready is None


def test_the_calibrated_score_is_that_of_the_clip(detector, frames_of, calibration_of):
    frames, calibration = frames_of(3, 20), calibration_of(1.0, window=5)
    calibrated = detector.with_calibration(calibration)
    judged, result = judge_all(Stream(calibrated), frames), calibrated(frames)
    found = [frame.calibrated for frame in judged]
    np.testing.assert_allclose(found, result.calibrated[4:], atol=1e-5)


def test_without_a_calibration_there_is_no_calibrated_score(detector, frames_of):
    judged = judge_all(Stream(detector), frames_of(3, 6))
    assert np.isnan([frame.calibrated for frame in judged]).all()


def test_after_a_restart_no_earlier_frame_counts(detector, frames_of):
    stream = Stream(detector)
    judge_all(stream, frames_of(1, 9))
    stream.restart()
    frames = frames_of(2, 9)
    np.testing.assert_allclose(scores(stream, frames), detector(frames).score[4:], atol=1e-5)


def test_after_a_restart_smoothing_starts_again(detector, frames_of, calibration_of):
    calibrated, frames = detector.with_calibration(calibration_of(1.0, window=5)), frames_of(2, 9)
    stream = Stream(calibrated)
    judge_all(stream, frames_of(1, 9))
    stream.restart()
    found = judge_all(stream, frames)
    expected = judge_all(Stream(calibrated), frames)
    np.testing.assert_allclose(
        [frame.calibrated for frame in found], [frame.calibrated for frame in expected], atol=1e-5
    )


def test_a_judged_frame_knows_its_position(detector, frames_of):
    judged = judge_all(Stream(detector), frames_of(3, 7))
    assert [int(frame.batch.index[0]) for frame in judged] == [4, 5, 6]


def test_only_the_zone_of_a_stream_is_scored(detector, frames_of):
    frames = frames_of(3, 9)
    (judged,) = detector.judge(frames)
    expected = detector.inside(CORNER, judged).raw
    np.testing.assert_allclose(scores(Stream(detector, zone=CORNER), frames), expected, atol=1e-5)


def test_the_zone_of_the_calibration_counts_without_another(detector, frames_of, calibration_of):
    frames = frames_of(3, 9)
    calibrated = detector.with_calibration(replace(calibration_of(7.0), zone=CORNER))
    np.testing.assert_allclose(
        scores(Stream(calibrated), frames),
        scores(Stream(detector, zone=CORNER), frames),
    )
    other = Zone.parse([], "0,0 0.49,0 0.49,0.49 0,0.49")
    assert scores(Stream(calibrated, zone=other), frames) == scores(
        Stream(detector, zone=other), frames
    )


@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_a_clip_is_judged_frame_by_frame_in_batches(detector, frames_of, calibration_of, scene):
    frames = frames_of(3, 40)
    calibrated = detector.with_calibration(replace(calibration_of(1.0, window=5), zone=CORNER))
    judged = list(judge_clip(calibrated, iter(frames), scene, batch=8))
    result = calibrated(frames, scene)
    np.testing.assert_allclose([frame.score for frame in judged], result.score[4:], atol=1e-5)
    found = [frame.calibrated for frame in judged]
    np.testing.assert_allclose(found, result.calibrated[4:], atol=1e-5)
    assert [int(frame.batch.index[0]) for frame in judged] == list(range(4, 40))


def test_no_frame_of_a_clip_is_judged_over_a_gap(detector, frames_of, calibration_of):
    calibrated = detector.with_calibration(calibration_of(1.0, window=5))
    first, second = frames_of(1, 7), frames_of(2, 9)
    judged = list(judge_clip(calibrated, [*first, None, *second]))
    assert [int(frame.batch.index[0]) for frame in judged] == [4, 5, 6, *range(11, 16)]
    alone = calibrated(second)
    found = [frame.calibrated for frame in judged[3:]]
    np.testing.assert_allclose(found, alone.calibrated[4:], atol=1e-5)


def test_a_folder_is_followed_with_times(detector, write_clip, frames_of, tmp_path):
    judged = list(follow(detector, str(write_clip(tmp_path / "clip", 3, 9))))
    found = [frame.score for frame in judged]
    np.testing.assert_allclose(found, detector(frames_of(3, 9)).score[4:], atol=1e-5)
    assert [frame.time for frame in judged] == [4.0, 5.0, 6.0, 7.0, 8.0]


def test_no_frame_of_a_source_is_judged_over_a_gap(detector, frames_of):
    frames = [
        SourceFrame(image, image, time=index / 10, gap=5.0 if index == 7 else 0.0)
        for index, image in enumerate(frames_of(3, 14))
    ]
    judged = judge_source_frames(Stream(detector), frames)
    assert [round(10 * frame.time) for frame in judged] == [4, 5, 6, 11, 12, 13]


def test_a_source_is_thinned_to_the_rate_of_the_threshold(detector, calibration_of, tmp_path):
    path = tmp_path / "fast.mp4"
    with VideoWriter(path, 25) as video:
        for level in range(20):
            video.write(np.full((32, 32, 3), 10 * level, np.uint8))
    slower = detector.with_calibration(calibration_of(1.0, fps=12.5))
    times = [judged.time for judged in follow(slower, str(path))]
    np.testing.assert_allclose(np.diff(times), 0.08, atol=1e-3)
    assert len(times) == 6
