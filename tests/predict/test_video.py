import csv
import json
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dmad.data.layouts.videos import find_split
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.forms.video.pictures import Best
from dmad.inference.detector import load
from dmad.predict.video import clips_in, folder_names, predict

COLUMNS = ["frame", "time", "score", "reconstruction", "deformation"]


@pytest.fixture
def video_of(tmp_path, frames_of):
    def write(name: str = "street.mp4", seed: int = 3, count: int = 9, fps: float = 5.0):
        path = tmp_path / "in" / name
        with VideoWriter(path, fps) as writer:
            for frame in frames_of(seed, count):
                writer.write(frame)
        return path

    return write


def rows_of(folder) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def length_of(video) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_video_gives_scores_and_pictures(trained, video_of, tmp_path):
    (folder,) = predict(trained, [video_of(count=16)], tmp_path / "out", panels=2)
    assert folder == tmp_path / "out" / "street"
    rows = rows_of(folder)
    assert list(rows[0]) == COLUMNS
    assert [row["frame"] for row in rows] == [str(i) for i in range(16)]
    assert [float(row["time"]) for row in rows] == pytest.approx([i / 5 for i in range(16)])
    assert all(row[name] == "" for row in rows[:4] for name in COLUMNS[2:])
    assert all(math.isfinite(float(row[name])) for row in rows[4:] for name in COLUMNS[2:])
    assert length_of(folder / "annotated.mp4") == 16
    assert np.asarray(Image.open(folder / "timeline.png")).std() > 0
    panels = sorted(path.name for path in (folder / "panels").iterdir())
    shown = [int(name[9:14]) for name in panels]
    scores = [float(row["score"] or 0) for row in rows]
    assert shown[0] == np.argmax(scores)
    assert scores[shown[0]] > scores[shown[1]]
    assert abs(shown[0] - shown[1]) >= 5  # a second apart
    assert {path.name for path in folder.iterdir()} == {
        "scores.csv",
        "timeline.png",
        "annotated.mp4",
        "panels",
    }


def test_a_frame_folder_scores_as_the_detector_does(trained, write_clip, frames_of, tmp_path):
    source = write_clip(tmp_path / "clip", 3, 10)
    (folder,) = predict(trained, [source], tmp_path / "out", panels=0, video=False)
    found = [float(row["score"]) for row in rows_of(folder)[4:]]
    assert found == pytest.approx(load(trained)(frames_of(3, 10)).score[4:], rel=1e-4)
    assert sorted(path.name for path in folder.iterdir()) == ["scores.csv", "timeline.png"]


def test_seconds_of_a_frame_folder_follow_what_is_said(trained, write_clip, tmp_path):
    source = write_clip(tmp_path / "clip", 3)
    (plain,) = predict(trained, [source], tmp_path / "plain", video=False)
    (said,) = predict(trained, [source], tmp_path / "said", video=False, fps=20)
    ten, twenty = (float(rows_of(folder)[-1]["time"]) for folder in (plain, said))
    assert ten == 2 * twenty > 0


def test_what_was_judged_when_it_was_stopped_is_kept(
    trained, write_clip, tmp_path, logged, monkeypatch
):
    source, offer = write_clip(tmp_path / "clip", 3, 40), Best.offer

    def stopped(self, picture):
        if picture.index == 15:
            raise KeyboardInterrupt
        offer(self, picture)

    monkeypatch.setattr(Best, "offer", stopped)
    with pytest.raises(KeyboardInterrupt):
        list(predict(trained, [source], tmp_path / "out"))
    assert len(rows_of(tmp_path / "out" / "clip")) >= 15
    assert not (tmp_path / "out" / "clip" / "annotated.mp4").exists()
    assert "stopped after 1" in logged()


def test_a_folder_of_clips_in_natural_order(trained, write_clip, video_of, tmp_path):
    for name in ("clip10", "clip9"):
        write_clip(tmp_path / "in" / name, 3, 6)
    video_of("clip2.mp4")
    folders = list(predict(trained, [tmp_path / "in"], tmp_path / "out", 0, video=False))
    assert [folder.name for folder in folders] == ["clip2", "clip9", "clip10"]
    assert all((folder / "scores.csv").is_file() for folder in folders)


def test_an_unreadable_clip_among_good_ones_is_told(trained, video_of, tmp_path, logged):
    good, bad = video_of(), tmp_path / "in" / "broken [1].mp4"
    bad.write_bytes(b"no video")
    folders = list(predict(trained, [bad, good], tmp_path / "out", 0, video=False))
    assert [folder.name for folder in folders] == ["street"]
    skipped, told, count = logged().splitlines()
    assert skipped.startswith(f"skipped: {bad} is not a readable video")
    assert told.startswith("street.mp4: highest score")
    assert count == "1 of 2 clips were skipped"


def test_a_damaged_frame_is_told(trained, write_clip, tmp_path, logged):
    source = write_clip(tmp_path / "clip", 3, 6)
    (source / "002.png").write_bytes(b"no image")
    (folder,) = predict(trained, [source], tmp_path / "out", 0, video=False)
    assert len(rows_of(folder)) == 6
    line, _ = logged().splitlines()
    assert line.startswith(f"{source / '002.png'} is unreadable")


def test_nothing_readable_is_an_error_and_leaves_no_results(trained, write_clip, tmp_path):
    short, bad = write_clip(tmp_path / "short", 3, 4), tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    with pytest.raises(DmadError, match="shorter than 5 frames"):
        list(predict(trained, [short, bad], tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_clips_of_one_name_do_not_overwrite_each_other(trained, write_clip, tmp_path):
    sources = [write_clip(tmp_path / day / "cam1", seed) for seed, day in enumerate("ab")]
    folders = list(predict(trained, sources, tmp_path / "out", 0, video=False))
    assert [folder.name for folder in folders] == ["cam1", "cam1-2"]
    assert rows_of(folders[0]) != rows_of(folders[1])


def test_folder_names_keep_dots_of_folders(tmp_path):
    clips = [tmp_path / "v1.0", tmp_path / "v1.1"]
    for clip in clips:
        clip.mkdir()
    assert folder_names([*clips, tmp_path / "v1.mp4"]) == ["v1.0", "v1.1", "v1"]


def test_the_folder_one_stands_in_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_names([Path()]) == [tmp_path.name]


def test_pictures_beside_videos_are_no_clip(video_of, tmp_path, logged):
    video = video_of()
    Image.new("L", (32, 32)).save(video.with_name("poster.png"))
    assert clips_in(video.parent) == [video]
    assert "1 images beside its clips left out" in logged()
    assert [clip.path for clip in find_split("video", video.parent, "train").sources] == [video]


def test_a_stray_picture_does_not_hide_the_clips(write_clip, tmp_path):
    clips = [write_clip(tmp_path / "yard" / name, 1) for name in "ab"]
    write_clip(tmp_path / "yard", 2, 1)
    assert clips_in(tmp_path / "yard") == clips
    found = find_split("video", tmp_path / "yard", "train")
    assert [clip.path for clip in found.sources] == clips


def test_what_a_call_before_wrote_of_a_clip_is_gone(trained, video_of, calibration_of, tmp_path):
    gate, out = tmp_path / "gate.json", tmp_path / "out"
    gate.write_text(json.dumps(calibration_of(1e-3).to_dict()))
    (folder,) = predict(trained, [video_of()], out, panels=2, calibration=gate)
    assert (folder / "events.csv").is_file()
    (folder,) = predict(trained, [video_of()], out, panels=1)
    assert not (folder / "events.csv").exists()
    (folder,) = predict(trained, [video_of()], out, panels=1, video=False)
    assert not (folder / "annotated.mp4").exists()
    assert len(list((folder / "panels").iterdir())) == 1


def test_a_folder_without_clips_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DmadError, match="holds no videos"):
        clips_in(tmp_path)


def test_best_keeps_the_highest():
    class Shown:
        def __init__(self, index, score):
            self.index, self.score = index, score

    best = Best(3)
    for index, score in enumerate([0.2, 0.9, 0.1, 0.9, 0.5]):
        best.offer(Shown(index, score))
    assert [(p.index, p.score) for p in best.pictures] == [(3, 0.9), (1, 0.9), (4, 0.5)]
    apart = Best(3, apart=2)
    for index, score in enumerate([0.2, 0.9, 0.1, 0.3, 0.5]):
        apart.offer(Shown(index, score))
    assert [p.index for p in apart.pictures] == [1, 4]
    empty = Best(0)
    empty.offer(Shown(0, 1.0))
    assert empty.pictures == []


def test_times_are_those_of_the_frames_where_their_rate_varies(
    trained, frames_of, tmp_path, logged
):
    times = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5]
    with av.open(str(tmp_path / "phone.mkv"), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.codec_context.time_base = Fraction(1, 100)
        for image, second in zip(frames_of(3, 12), times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.broadcast_to(image, (32, 32, 3)).copy(), "rgb24")
            frame.pts, frame.time_base = round(100 * second), Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (folder,) = predict(trained, [tmp_path / "phone.mkv"], tmp_path / "out", panels=0)
    rows = rows_of(folder)
    assert [float(row["time"]) for row in rows] == pytest.approx(times, abs=0.005)
    assert [int(row["frame"]) for row in rows if not row["score"]] == [0, 1, 2, 3, 6, 7, 8, 9]
    assert length_of(folder / "annotated.mp4") == 12
    assert "1 hole in it, over which nothing was judged" in logged()
    frames = frames_of(3, 12)
    whole = load(trained)
    scores = [*whole(frames[:6]).score, *whole(frames[6:]).score]
    found = [float(row["score"] or "nan") for row in rows]
    assert found == pytest.approx(scores, rel=0.5, nan_ok=True)  # but for what encoding costs
