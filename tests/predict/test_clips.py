import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dmad.api import load
from dmad.config import changed
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.forms.video.pictures import HighestPictures
from dmad.inference.detector import Detector
from dmad.model.pdm import PDM
from dmad.predict.clips import ClipPrediction, predict_clips
from dmad.predict.settings import PredictSettings

COLUMNS = ["frame", "time", "score", "raw", "reconstruction", "deformation"]
SCORES_ONLY = PredictSettings(panels=0, video=False)


@pytest.fixture(scope="module")
def detector(trained) -> Detector:
    return load(trained)


@pytest.fixture
def write_video(tmp_path, frames_of) -> Callable[..., Path]:
    def write(name: str = "street.mp4", seed: int = 3, count: int = 9, fps: float = 5.0) -> Path:
        path = tmp_path / "in" / name
        with VideoWriter(path, fps) as writer:
            for frame in frames_of(seed, count):
                writer.write(frame)
        return path

    return write


@pytest.fixture
def predict(detector, tmp_path) -> Callable[..., list[Path]]:
    """Scores clips and returns their folders in `tmp_path / "out"`."""

    def run(*sources: Path, **settings) -> list[Path]:
        return list(predict_clips(detector, sources, tmp_path / "out", PredictSettings(**settings)))

    return run


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def count_frames(video: Path) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_video_gives_scores_and_pictures(predict, write_video):
    (folder,) = predict(write_video(count=16), panels=2)
    assert folder.name == "street"
    names = {path.name for path in folder.glob("[!.]*")}
    assert names == {"scores.csv", "timeline.png", "annotated.mp4", "panels"}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".dmad.lock"]
    manifest = folder / ".dmad-written.jsonl"
    readable = {path.stat().st_mode & 0o077 for path in files if path != manifest}
    assert readable == {0}  # only for this user
    listed = {json.loads(line)[0] for line in manifest.read_text().splitlines()}
    assert {folder / name for name in listed} == {*files} - {manifest}
    assert count_frames(folder / "annotated.mp4") == 16
    assert np.asarray(Image.open(folder / "timeline.png")).std() > 0


def test_the_table_has_a_row_for_each_frame(predict, write_video):
    (folder,) = predict(write_video(count=16), panels=0, video=False)
    rows = rows_of(folder)
    assert list(rows[0]) == COLUMNS
    assert [row["frame"] for row in rows] == [str(i) for i in range(16)]
    assert [float(row["time"]) for row in rows] == pytest.approx([i / 5 for i in range(16)])
    assert all(row[name] == "" for row in rows[:4] for name in COLUMNS[2:])
    assert all(math.isfinite(float(row[name])) for row in rows[4:] for name in COLUMNS[2:])


def test_panels_show_the_highest_scores_a_second_apart(predict, write_video):
    (folder,) = predict(write_video(count=16), panels=2)
    panels = sorted(path.name for path in (folder / "panels").iterdir())
    frames = [int(name[9:14]) for name in panels]
    scores = [float(row["score"] or 0) for row in rows_of(folder)]
    assert frames[0] == np.argmax(scores)
    assert scores[frames[0]] > scores[frames[1]]
    assert abs(frames[0] - frames[1]) >= 5


def test_a_folder_of_frames_is_scored_as_the_detector_does(
    predict, detector, write_clip, frames_of, tmp_path
):
    (folder,) = predict(write_clip(tmp_path / "clip", 3, 10), panels=0, video=False)
    scores = [float(row["score"]) for row in rows_of(folder)[4:]]
    assert scores == pytest.approx(detector(frames_of(3, 10)).score[4:], rel=1e-4)
    assert {path.name for path in folder.glob("[!.]*")} == {"scores.csv", "timeline.png"}


def test_calibrated_scores_and_alarms_are_those_of_the_detector(
    detector, write_clip, frames_of, calibration_of, tmp_path
):
    plain = detector(frames_of(3, 10))
    threshold = float(np.nanmedian(plain.reconstruction + 0.5 * plain.deformation))
    with_threshold = detector.with_calibration(calibration_of(threshold, minimum=1, window=2))
    clip = write_clip(tmp_path / "clip", 3, 10)
    (folder,) = predict_clips(with_threshold, [clip], tmp_path / "out", SCORES_ONLY)
    expected = with_threshold(frames_of(3, 10))
    rows = rows_of(folder)
    calibrated = [float(row["score"] or "nan") for row in rows]
    assert calibrated == pytest.approx(expected.calibrated, rel=1e-4, nan_ok=True)
    assert [row["alarm"] == "1" for row in rows] == expected.alarm.tolist()
    assert expected.alarm.any()
    assert (folder / "events.csv").is_file()


def test_the_given_rate_sets_the_times_of_a_folder_of_frames(predict, write_clip, tmp_path):
    clip = write_clip(tmp_path / "clip", 3)
    last_times = []
    for settings in ({}, {"fps": 20}):
        (folder,) = predict(clip, video=False, **settings)
        last_times.append(float(rows_of(folder)[-1]["time"]))
    assert last_times[0] == 2 * last_times[1] > 0


class InterruptAt15(HighestPictures):
    """Does what Ctrl-C does, at frame 15."""

    def offer(self, picture):
        if picture.index == 15:
            raise KeyboardInterrupt
        super().offer(picture)


def test_a_panel_is_not_repeated_in_footage_with_a_frame_every_ten_seconds(
    detector, write_clip, tmp_path
):
    clip, settings = write_clip(tmp_path / "clip", 3, 10), PredictSettings(fps=0.1)
    assert ClipPrediction(detector, clip, tmp_path / "out", settings).highest.apart == 1


def test_scores_before_an_interruption_are_kept(detector, write_clip, tmp_path, logged):
    out = tmp_path / "out"
    clip = write_clip(tmp_path / "clip", 3, 40)
    ClipPrediction(detector, clip, out, PredictSettings(panels=0)).run()
    assert (out / "annotated.mp4").exists()
    (out / "mine.mp4").touch()
    prediction = ClipPrediction(detector, clip, out, PredictSettings())
    prediction.highest = InterruptAt15(4)
    with pytest.raises(KeyboardInterrupt):
        prediction.run()
    assert len(rows_of(out)) == 16
    assert not (out / "annotated.mp4").exists()
    assert (out / "mine.mp4").exists()
    assert "stopped after 12 scored frames" in logged()


def test_the_clips_of_a_folder_come_in_natural_order(predict, write_clip, write_video, tmp_path):
    for name in ("clip10", "clip9"):
        write_clip(tmp_path / "in" / name, 3, 6)
    write_video("clip2.mp4")
    folders = predict(tmp_path / "in", panels=0, video=False)
    assert [folder.name for folder in folders] == ["clip2", "clip9", "clip10"]
    assert all((folder / "scores.csv").is_file() for folder in folders)


def test_an_unreadable_clip_among_others_is_skipped_and_counted(
    predict, write_video, tmp_path, logged
):
    good, bad = write_video(), tmp_path / "in" / "broken [1].mp4"
    bad.write_bytes(b"no video")
    folders = predict(bad, good, panels=0, video=False)
    assert [folder.name for folder in folders] == ["street"]
    skipped, summary, count = logged().splitlines()
    assert skipped.startswith(f"skipped: {bad} is not a readable video")
    assert summary.startswith("street.mp4: highest score")
    assert count == "1 of 2 clips were skipped"


def test_a_damaged_frame_is_reported(predict, write_clip, tmp_path, logged):
    clip = write_clip(tmp_path / "clip", 3, 6)
    (clip / "002.png").write_bytes(b"no image")
    (folder,) = predict(clip, panels=0, video=False)
    assert len(rows_of(folder)) == 6
    warning, _ = logged().splitlines()
    assert warning.startswith(f"{clip / '002.png'} is unreadable")


def test_clips_that_cannot_be_scored_are_refused_and_leave_no_results(
    predict, write_clip, tmp_path
):
    short, bad = write_clip(tmp_path / "short", 3, 4), tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    with pytest.raises(DmadError, match="too few frames: a score needs 5 frames in a row"):
        predict(short, bad)
    assert not (tmp_path / "out").exists()


def test_clips_of_one_name_do_not_overwrite_each_other(predict, write_clip, tmp_path):
    clips = [write_clip(tmp_path / day / "cam1", seed) for seed, day in enumerate("ab")]
    folders = predict(*clips, panels=0, video=False)
    assert [folder.name for folder in folders] == ["cam1", "cam1-2"]
    assert rows_of(folders[0]) != rows_of(folders[1])


def test_a_clip_is_not_overwritten_by_its_results(detector, write_clip, tmp_path):
    clip = write_clip(tmp_path / "clip", 3)
    with pytest.raises(DmadError, match="is the clip itself; choose another folder"):
        list(predict_clips(detector, [clip], tmp_path, PredictSettings()))


def test_a_panel_shows_the_highest_frame_of_the_highest_mean_score(
    detector, write_clip, calibration_of, tmp_path
):
    calibration = calibration_of(1e-3)
    calibration = replace(calibration, scorer=replace(calibration.scorer, window=4))
    clip = write_clip(tmp_path / "clip", 3, 16)
    settings = PredictSettings(panels=1, video=False)
    prediction = ClipPrediction(
        detector.with_calibration(calibration), clip, tmp_path / "out", settings
    )
    prediction.run()
    scores = prediction.scores
    terms = (scores.column(name) for name in ("reconstruction", "deformation"))
    own, peak = calibration.scorer.combine(*terms), int(np.nanargmax(scores.main_score))
    first = max(4, peak - 3)  # the first four frames have no score
    best = first + int(own[first : peak + 1].argmax())
    assert [path.name for path in (tmp_path / "out" / "panels").iterdir()] == [
        f"01-frame-{best:05d}.png"
    ]
    (picture,) = prediction.highest.pictures
    assert picture.calibrated == scores.main_score[peak]
    assert picture.score == pytest.approx(own[best])


def test_results_of_an_earlier_call_are_removed(detector, write_video, calibration_of, tmp_path):
    with_threshold = detector.with_calibration(calibration_of(1e-3))
    video, out = write_video(), tmp_path / "out"
    (folder,) = predict_clips(with_threshold, [video], out, PredictSettings(panels=2))
    assert (folder / "events.csv").is_file()
    list(predict_clips(detector, [video], out, PredictSettings(panels=1)))
    assert not (folder / "events.csv").exists()
    assert len(list((folder / "panels").iterdir())) == 1
    list(predict_clips(detector, [video], out, PredictSettings(panels=1, video=False)))
    assert not (folder / "annotated.mp4").exists()


def test_frames_keep_their_times_and_nothing_is_scored_over_a_gap(
    predict, detector, frames_of, tmp_path, logged
):
    times = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5]
    frames = frames_of(3, 12)
    with av.open(str(tmp_path / "phone.mkv"), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.codec_context.time_base = Fraction(1, 100)
        for image, second in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.broadcast_to(image, (32, 32, 3)).copy(), "rgb24")
            frame.pts, frame.time_base = round(100 * second), Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (folder,) = predict(tmp_path / "phone.mkv", panels=0)
    rows = rows_of(folder)
    assert [float(row["time"]) for row in rows] == pytest.approx(times, abs=0.005)
    assert [int(row["frame"]) for row in rows if not row["score"]] == [0, 1, 2, 3, 6, 7, 8, 9]
    assert count_frames(folder / "annotated.mp4") == 12
    assert "frames are missing (1 gap)" in logged()
    scores = [float(row["score"] or "nan") for row in rows]
    expected = [*detector(frames[:6]).score, *detector(frames[6:]).score]
    assert scores == pytest.approx(expected, rel=0.5, nan_ok=True)  # the codec changes pixels


def test_alarms_are_counted_in_the_summary(
    detector, write_odd_clip, frames_of, calibration_of, tmp_path, logged
):
    plain = detector(frames_of(3, 40))
    highest = float(np.nanmax(plain.reconstruction + 0.5 * plain.deformation))
    with_threshold = detector.with_calibration(calibration_of(1.3 * highest))
    clip = write_odd_clip(tmp_path / "clip", 3, 40, range(20, 27), range(20, 30))
    list(predict_clips(with_threshold, [clip], tmp_path / "out", SCORES_ONLY))
    assert "clip: 1 alarm, the strongest at 2" in logged()


@pytest.mark.parametrize(("scene", "asked"), [("", True), ("mine", False)])
def test_a_clip_that_is_mostly_above_the_threshold_may_show_another_view(
    detector, write_clip, calibration_of, tmp_path, logged, scene, asked
):
    with_threshold = detector.with_calibration(calibration_of(1e-6))
    settings = PredictSettings(panels=0, video=False, scene=scene)
    clip = write_clip(tmp_path / "clip", 3, 12)
    list(predict_clips(with_threshold, [clip], tmp_path / "out", settings))
    assert ("on this view, give the view a name (--scene NAME)" in logged()) is asked


def test_a_model_without_templates_needs_a_threshold_for_another_view(
    make_detector, tiny, write_clip, calibration_of, tmp_path, logged
):
    config = changed(tiny(None), model_background=False)
    torch.manual_seed(0)
    detector = make_detector(PDM(config.model, 32, 1, 4), config)
    with_threshold = detector.with_calibration(calibration_of(1e-6))
    clip = write_clip(tmp_path / "clip", 3, 12)
    list(predict_clips(with_threshold, [clip], tmp_path / "out", SCORES_ONLY))
    assert "on this view, set a threshold for it (dmad calibrate MODEL FOOTAGE" in logged()
