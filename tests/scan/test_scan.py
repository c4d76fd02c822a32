"""Whole scans in this process: seams, resuming, and what is left out."""

import csv
import random
import sqlite3
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from dmad import api
from dmad.errors import DmadError, StoppedError
from dmad.predict.predict import predict
from dmad.predict.settings import PredictSettings
from dmad.scan.scan import ScanRequest


def left_out(folder: Path) -> dict[str, str]:
    with (folder / "left_out.csv").open(newline="") as file:
        return {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}


def events(folder: Path) -> list[dict]:
    return pq.read_table(folder / "events.parquet").to_pylist()


def assert_same(rows, others, tolerance=1e-5):
    assert len(rows) == len(others)
    for name in ("path", "frame", "verdict", "view"):
        assert [row[name] for row in rows] == [row[name] for row in others], name
    for name in ("time", "raw", "reconstruction", "deformation", "score"):
        values = [np.array([row[name] for row in some], float) for some in (rows, others)]
        np.testing.assert_allclose(*values, rtol=0, atol=tolerance, err_msg=name)


def test_a_scan_gives_the_scores_and_events_of_predict(
    model, write_film, write_odd_clip, run_scan, rows_of, tmp_path
):
    archive = tmp_path / "archive"
    film = write_film(archive / "gate" / "film.mp4", 40, seed=3)
    clip = write_odd_clip(archive / "gate" / "clip", 4, 30, range(10, 20), range(8, 24))
    result = run_scan(model, archive)
    assert (result.judged, result.left_out) == (2, 0)
    detector = api.load(model, device="cpu")
    list(
        predict(detector, [film, clip], tmp_path / "found", PredictSettings(panels=0, video=False))
    )
    for path in (film, clip):
        with (tmp_path / "found" / path.stem / "scores.csv").open(newline="") as file:
            expected = list(csv.DictReader(file))
        rows = [row for row in rows_of(result.folder) if row["path"] == str(path)]
        assert len(rows) == len(expected)
        for row, other in zip(rows, expected, strict=True):
            assert row["frame"] == int(other["frame"])
            assert row["time"] == pytest.approx(float(other["time"]), abs=1e-3)
            if other["score"]:
                assert row["score"] == pytest.approx(float(other["score"]), rel=1e-4)
            else:
                assert row["score"] is None
            assert (row["verdict"] == "anomalous") == (other["alarm"] == "1")
        with (tmp_path / "found" / path.stem / "events.csv").open(newline="") as file:
            found = [(float(row["start"]), float(row["end"])) for row in csv.DictReader(file)]
        mine = [event for event in events(result.folder) if event["path"] == str(path)]
        assert [(e["start"], e["end"]) for e in mine] == [pytest.approx(one) for one in found]
        assert found


def test_a_scan_that_cannot_begin_leaves_its_folder_free(
    model, write_film, run_scan, tmp_path, monkeypatch
):
    with pytest.raises(DmadError, match="does not exist"):
        run_scan(model, tmp_path / "nothing")

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("dmad.scan.scan.Plan", full)
        with pytest.raises(DmadError, match="disk is full"):
            run_scan(model, tmp_path)
    write_film(tmp_path / "archive" / "film.mp4", 12)
    assert run_scan(model, tmp_path / "archive").judged == 1


def damage(path: Path) -> None:
    """Damage the pictures of some frames in the middle of a film, a keyframe among them."""
    with av.open(str(path)) as container:
        packets = [(one.pos, one.size) for one in container.demux(video=0) if one.size]
    content = bytearray(path.read_bytes())
    for start, size in packets[68:73]:
        for place in range(start + size // 4, start + size - 8, 3):
            content[place] ^= 0x5A
    path.write_bytes(bytes(content))


def variable_times() -> list[int]:
    """Times of 140 frames in milliseconds, at irregular distances."""
    rng = random.Random(1)
    return list(accumulate(rng.choice((40, 100, 170)) for _ in range(140)))


PAUSE = [100 * index + 4000 * (index > 75) for index in range(140)]
REPEATS = [100 * (index + index // 20) for index in range(140)]  # a place of AVI stays empty


@pytest.mark.parametrize(
    ("suffix", "options", "is_damaged", "stretches"),
    [
        (".mp4", {"bf": "2"}, False, 7),
        (".mkv", {"times": variable_times()}, False, 7),
        (".mp4", {"times": PAUSE}, False, 7),
        (".mkv", {"group": 140}, False, 1),
        (".mp4", {"group": 37, "sc_threshold": "0"}, False, 4),
        (".ts", {}, True, 7),
        (".mkv", {"bf": "2"}, True, 7),
        (".mp4", {"times": variable_times(), "bf": "2"}, True, 7),
        (".avi", {}, False, 7),
        (".avi", {}, True, 7),
        (".avi", {"times": REPEATS}, False, 7),
        (".avi", {"bf": "2"}, False, 1),
    ],
    ids=[
        *("constant", "variable", "pause", "one keyframe", "few keyframes"),
        *("damaged ts", "damaged mkv", "damaged and variable"),
        *("avi", "damaged avi", "avi with repeats", "avi with B-frames"),
    ],
)
def test_a_film_in_seven_stretches_gives_the_scores_of_one_pass(
    model, write_film, run_scan, rows_of, tmp_path, suffix, options, is_damaged, stretches
):
    path = write_film(tmp_path / "archive" / "gate" / f"film{suffix}", 140, seed=2, **options)
    if is_damaged:
        damage(path)
    whole = run_scan(model, path.parent, "whole")
    seconds = options.get("times", [13900])[-1] / 1000 / 7
    cut = run_scan(model, path.parent, "cut", stretch=seconds)
    assert len(list((cut.folder / "parts").iterdir())) == (stretches + 1 if stretches > 1 else 1)
    assert_same(rows_of(whole.folder), rows_of(cut.folder))
    assert_same_events(events(whole.folder), events(cut.folder))


def test_a_folder_in_seven_stretches_gives_the_scores_of_one_pass(
    model, write_odd_clip, run_scan, rows_of, tmp_path
):
    (tmp_path / "archive").mkdir()
    folder = tmp_path / "archive" / "clip"
    write_odd_clip(folder, 4, 140, range(58, 75), range(8, 24))
    for number in (0, 59, 60, 61, 139):
        (folder / f"{number:03}.png").write_bytes(b"no image")
    whole = run_scan(model, folder.parent, "whole")
    cut = run_scan(model, folder.parent, "cut", stretch=2.0)
    assert len(list((cut.folder / "parts").iterdir())) == 8
    assert_same(rows_of(whole.folder), rows_of(cut.folder))
    assert_same_events(events(whole.folder), events(cut.folder))


def assert_same_events(found, others):
    assert len(found) == len(others) > 0
    for one, other in zip(found, others, strict=True):
        for name in ("start", "end", "peak", "score"):
            assert one[name] == pytest.approx(other[name], abs=1e-5), name
        assert (one["why"], one["path"]) == (other["why"], other["path"])


def test_an_alarm_over_a_seam_is_one_event(model, write_film, run_scan, tmp_path):
    path = write_film(tmp_path / "archive" / "film.mp4", 60, seed=2)
    whole = events(run_scan(model, path.parent, "whole").folder)
    cut = events(run_scan(model, path.parent, "cut", stretch=1.0).folder)
    seams = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert any(event["start"] < seam < event["end"] for event in cut for seam in seams)
    assert len(whole) == len(cut)


def test_unreadable_empty_and_foreign_files_are_told_once_with_their_reason(
    model, write_film, run_scan, tmp_path
):
    archive = tmp_path / "archive"
    write_film(archive / "good.mp4", 20)
    write_film(archive / "short.mp4", 3)
    (archive / "empty.mp4").write_bytes(b"")
    (archive / "broken.mp4").write_bytes(b"no film at all")
    (archive / "notes.txt").write_text("hello")
    (archive / ".hidden").write_text("hello")
    result = run_scan(model, archive)
    reasons = left_out(result.folder)
    assert (result.judged, result.left_out) == (1, 4)
    assert set(reasons) == {"short.mp4", "empty.mp4", "broken.mp4", "notes.txt"}
    assert reasons["empty.mp4"] == "it is empty"
    assert "shorter than 5 frames" in reasons["short.mp4"]
    assert reasons["broken.mp4"].startswith("is not a readable video")
    assert ".txt" in reasons["notes.txt"]


def test_a_resumed_scan_judges_only_what_is_missing_or_has_changed(
    model, write_film, run_scan, rows_of, tmp_path
):
    archive = tmp_path / "archive"
    for number in range(4):
        write_film(archive / f"{number}.mp4", 12, seed=number)
    result = run_scan(model, archive)
    parts = {path.name: path.stat().st_mtime_ns for path in (result.folder / "parts").iterdir()}
    write_film(archive / "1.mp4", 15, seed=8)
    write_film(archive / "5.mp4", 12, seed=5)
    result = run_scan(model, archive, resume=True)
    after = {path.name: path.stat().st_mtime_ns for path in (result.folder / "parts").iterdir()}
    assert len(after) == 6
    assert {name: after[name] for name in parts} == parts
    fresh = run_scan(model, archive, "fresh")
    assert rows_of(result.folder) == rows_of(fresh.folder)
    assert result.judged == 5


def test_a_second_scan_into_the_same_folder_is_refused(model, write_film, run_scan, tmp_path):
    write_film(tmp_path / "archive" / "1.mp4", 12)
    run_scan(model, tmp_path / "archive")
    with pytest.raises(DmadError, match="--resume"):
        run_scan(model, tmp_path / "archive")


def test_a_resume_with_another_model_is_refused(model, write_film, run_scan, tmp_path):
    write_film(tmp_path / "archive" / "1.mp4", 12)
    run_scan(model, tmp_path / "archive")
    request = tmp_path / "out" / "scan.json"
    request.write_text(request.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(DmadError, match="has changed since"):
        run_scan(model, tmp_path / "archive", resume=True)


def test_nothing_to_judge_is_refused_with_the_first_reason(model, run_scan, tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "notes.txt").write_text("hello")
    with pytest.raises(DmadError, match=r"notes\.txt: it is not a film: its name ends with \.txt"):
        run_scan(model, tmp_path / "archive")
    with pytest.raises(DmadError, match="does not exist"):
        run_scan(model, tmp_path / "nowhere", "other")


def test_a_folder_that_is_no_scan_cannot_be_resumed(tmp_path):
    with pytest.raises(DmadError, match=r"holds no scan\.json"):
        ScanRequest.read(tmp_path)


def test_pictures_and_films_of_the_strongest_events_are_drawn(
    model, write_film, run_scan, tmp_path
):
    archive = tmp_path / "archive"
    write_film(archive / "a.mp4", 30, seed=1)
    write_film(archive / "b.mp4", 30, seed=2)
    result = run_scan(model, archive, strongest=1)
    (picture,), (film,) = (list((result.folder / name).iterdir()) for name in ("pictures", "films"))
    assert picture.stem == film.stem
    before = film.stat().st_mtime_ns
    run_scan(model, archive, resume=True)
    assert film.stat().st_mtime_ns == before


def test_images_are_judged_in_batches(trained_images, image_data, run_scan, rows_of, tmp_path):
    folder = image_data / "discs" / "test"
    result = run_scan(trained_images, folder, strongest=2)
    rows = rows_of(result.folder)
    assert len(rows) == 8
    assert {row["view"] for row in rows} == {"good", "spot"}
    detector = api.load(trained_images, device="cpu")
    list(predict(detector, [folder], tmp_path / "found"))
    with (tmp_path / "found" / "scores.csv").open(newline="") as file:
        expected = {row["image"].removeprefix("test/"): row for row in csv.DictReader(file)}
    for row in rows:
        other = expected[str(Path(row["path"]).relative_to(folder))]
        assert row["score"] == pytest.approx(float(other["score"]), rel=1e-3, abs=1e-3)
        assert row["verdict"] == other["verdict"]
        assert row["time"] is None
    anomalous = sum(row["verdict"] == "anomalous" for row in rows)
    assert len(events(result.folder)) == anomalous
    assert len(list((result.folder / "pictures").iterdir())) == min(2, anomalous)


def test_films_of_a_store_have_the_scores_of_local_ones(
    model, write_film, write_clip, run_scan, rows_of, tmp_path
):
    import fsspec

    archive = tmp_path / "archive" / "gate"
    write_film(archive / "film.mp4", 60, bf="2")
    write_clip(archive / "clip", 2, 12)
    store = fsspec.filesystem("memory")
    store.put(str(archive), "/store/gate", recursive=True)
    store.pipe("/store/gate/bad.mp4", b"no film")
    try:
        here = run_scan(model, archive, "here", stretch=2.0)
        there = run_scan(model, "memory://store/gate", "there", stretch=2.0, strongest=1)
    finally:
        store.rm("/store", recursive=True)
    assert (there.judged, there.left_out) == (2, 1)
    rows = rows_of(there.folder)
    assert {row["path"] for row in rows} == {
        f"memory://store/gate/{n}" for n in ("film.mp4", "clip")
    }
    for one, other in zip(rows, rows_of(here.folder), strict=True):
        assert one["score"] == other["score"]
        assert one["time"] == pytest.approx(other["time"])
    assert len(list((there.folder / "parts").iterdir())) == 6
    assert len(list((there.folder / "films").iterdir())) == 1


def test_a_stopped_scan_says_how_to_continue(model, write_film, run_scan, tmp_path, monkeypatch):
    write_film(tmp_path / "archive" / "1.mp4", 12)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dmad.scan.engines.work", stop)
    with pytest.raises(StoppedError, match="dmad scan --resume"):
        run_scan(model, tmp_path / "archive")
    monkeypatch.undo()
    assert run_scan(model, tmp_path / "archive", resume=True).judged == 1
