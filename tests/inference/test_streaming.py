from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmad.data.reading.source_frames import Form, Shot
from dmad.data.zones import Zone
from dmad.inference.detector import Detector
from dmad.inference.streaming import Stream, follow, push_all
from dmad.inference.warnings import view_notes
from dmad.model.pdm import PDM


@pytest.fixture
def detector(random_model, tiny, monkeypatch) -> Detector:
    monkeypatch.setattr("dmad.inference.detector.has_fast_bf16", lambda _: False)
    return Detector(random_model, tiny(None), device="cpu")


def pushed(stream: Stream, frames) -> np.ndarray:
    return np.array([np.nan if s is None else s for s in map(stream.push, frames)])


@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_pushed_equals_batched(detector, frames_of, scene):
    frames = frames_of(3, 75)
    found = pushed(Stream(detector, scene), frames)
    assert np.isnan(found[:4]).all()
    np.testing.assert_allclose(found, detector(frames, scene).score, atol=1e-5)


@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_single_images_are_pushed_too(tiny, frames_of, scene):
    config = tiny(None, data={"history": 0})
    judge = Detector(PDM(config.model, 32, 1, 0), config, device="cpu")
    frames = frames_of(3, 40)
    found = pushed(Stream(judge, scene), frames)
    np.testing.assert_allclose(found, judge(frames, scene).score, atol=1e-5)


def test_several_views_in_one_batch_are_as_each_alone(detector, frames_of):
    clips = [frames_of(seed, 12) for seed in (1, 2, 3)]
    streams = [Stream(detector), Stream(detector, "elsewhere"), Stream(detector)]
    found = [push_all(streams, shots) for shots in zip(*clips, strict=True)]
    for k, (scene, clip) in enumerate(zip(("", "elsewhere", ""), clips, strict=True)):
        scores = [row[k].score for row in found if row[k]]
        np.testing.assert_allclose(scores, detector(clip, scene).score[4:], atol=1e-5)


def test_the_calibrated_score_is_that_of_the_batch(detector, frames_of, calibration_of):
    frames, calibration = frames_of(3, 20), calibration_of(1.0, window=5)
    stream = Stream(detector, calibration=calibration)
    found = [judged for f in frames for judged in push_all([stream], [f]) if judged]
    whole = detector(frames)
    expected = calibration.score(whole.reconstruction, whole.deformation)[4:]
    np.testing.assert_allclose([judged.calibrated for judged in found], expected, atol=1e-5)


def test_after_a_restart_nothing_reaches_back(detector, frames_of):
    stream = Stream(detector)
    pushed(stream, frames_of(1, 9))
    stream.restart()
    again = frames_of(2, 9)
    np.testing.assert_allclose(pushed(stream, again), detector(again).score, atol=1e-5)


def test_after_a_restart_the_smoothing_begins_anew(detector, frames_of, calibration_of):
    calibration, again = calibration_of(1.0, window=5), frames_of(2, 9)
    stream = Stream(detector, calibration=calibration)
    pushed(stream, frames_of(1, 9))
    stream.restart()
    found, alone = (_all(s, again) for s in (stream, Stream(detector, calibration=calibration)))
    expected = [judged.calibrated for judged in alone]
    np.testing.assert_allclose([judged.calibrated for judged in found], expected, atol=1e-5)


def test_a_judged_frame_knows_its_place(detector, frames_of):
    found = _all(Stream(detector), frames_of(3, 7))
    assert [int(judged.found.index[0]) for judged in found] == [4, 5, 6]


def test_a_zone_counts_before_the_maximum(detector, frames_of):
    frames, zone = frames_of(3, 9), Zone.parse("0,0 0.49,0 0.49,0.49 0,0.49", [])
    mask = zone.mask(32)
    assert mask.sum() == mask[:16, :16].sum() == 256
    (whole,) = push_all([stream := Stream(detector)], [frames[0]])
    for frame in frames[1:]:
        (whole,) = push_all([stream], [frame])
    part = pushed(Stream(detector, zone=zone), frames)[-1]
    assert part < whole.score
    every = Zone.parse("0,0 1,0 1,1 0,1", [])
    np.testing.assert_allclose(
        pushed(Stream(detector, zone=every), frames)[-1], whole.score, atol=1e-6
    )
    kernel = detector.config.score.kernel
    masked = whole.found.scores.reconstruction_map[0] * torch.from_numpy(mask)
    top = max(
        float(masked[max(y - 7, 0) : y + 9, max(x - 6, 0) : x + 8].sum()) / np.prod(kernel)
        for y in range(32)
        for x in range(32)
    )
    judged = _all(Stream(detector, zone=zone), frames)[-1]
    assert judged.reconstruction == pytest.approx(top, rel=1e-4)


def test_the_zone_of_a_calibration_counts_where_no_other_is_said(
    detector, frames_of, calibration_of
):
    frames, zone = frames_of(3, 9), Zone.parse("0,0 0.49,0 0.49,0.49 0,0.49", [])
    kept = replace(calibration_of(7.0), zone=zone)
    np.testing.assert_allclose(
        pushed(Stream(detector, calibration=kept), frames),
        pushed(Stream(detector, zone=zone), frames),
    )
    other = Zone.parse([], "0,0 0.49,0 0.49,0.49 0,0.49")
    assert pushed(Stream(detector, calibration=kept, zone=other), frames)[-1] != pytest.approx(
        pushed(Stream(detector, zone=zone), frames)[-1]
    )
    assert "another part of the view" in view_notes(detector, kept, "", other)[0]
    assert view_notes(detector, kept, "", zone) == view_notes(detector, kept, "") == []


def _all(stream, frames):
    return [judged for f in frames for judged in push_all([stream], [f]) if judged]


def test_the_detector_follows_a_folder(detector, write_clip, frames_of, tmp_path):
    found = list(detector.stream(str(write_clip(tmp_path / "clip", 3, 9))))
    np.testing.assert_allclose(
        [judged.score for judged in found], detector(frames_of(3, 9)).score[4:], atol=1e-5
    )
    assert [judged.time for judged in found] == [4.0, 5.0, 6.0, 7.0, 8.0]


def test_no_frame_of_a_source_is_judged_over_a_gap(detector, frames_of, monkeypatch):
    frames = enumerate(frames_of(3, 14))
    shots = [Shot(frame, frame, i / 10, 5.0 * (i == 7)) for i, frame in frames]
    monkeypatch.setattr("dmad.inference.streaming.open_source", lambda *_: nullcontext(shots))
    found = [round(10 * judged.time) for judged in follow(detector, "gate")]
    assert found == [4, 5, 6, 11, 12, 13]


def test_a_source_is_thinned_to_the_rate_of_the_threshold(detector, calibration_of, monkeypatch):
    forms = []

    def opened(_, form):
        forms.append(form)
        return nullcontext([])

    monkeypatch.setattr("dmad.inference.streaming.open_source", opened)
    detector.calibration = calibration_of(1.0, fps=12.5)
    assert list(follow(detector, "gate")) == []
    assert forms == [Form(32, 1, True, 12.5)]


def test_what_is_kept_does_not_grow(detector, frames_of):
    stream = Stream(detector, "elsewhere")
    pushed(stream, np.tile(frames_of(3, 10), (30, 1, 1, 1)))
    assert len(stream._window) == 5
    assert len(stream._past.kept) <= 96
