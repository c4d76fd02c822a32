"""Judging tasks."""

import errno
import time

import pytest
from PIL import Image

from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.judge import CHANGED, Judge, Pace
from dmad.scan.parts import read_info, rows_of
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings


@pytest.fixture(scope="module")
def judge(model, tmp_path_factory):
    return Judge(JudgeSettings(str(model), tmp_path_factory.mktemp("parts"), device="cpu"))


def task_of(path, view="gate"):
    return Task.of([ArchiveSource(str(path), *identity_of(str(path)), view)])


def test_a_film_has_a_row_for_each_frame(judge, write_film, tmp_path):
    task = task_of(write_film(tmp_path / "film.mp4", 12))
    report = judge.judge(task)
    rows = list(rows_of(judge.settings.parts / f"{task.name}.parquet"))
    assert [row["frame"] for row in rows] == list(range(12))
    assert [row["score"] == row["score"] for row in rows] == [False] * 4 + [True] * 8  # NaN
    assert report.info == read_info(judge.settings.parts / f"{task.name}.parquet")
    assert report.info.sources[0].fps == 10.0


def test_a_task_whose_file_is_there_is_not_judged_again(judge, write_film, tmp_path):
    task = task_of(write_film(tmp_path / "film.mp4", 12, 1))
    first = judge.judge(task)
    path = judge.settings.parts / f"{task.name}.parquet"
    before = path.stat().st_mtime_ns
    assert judge.judge(task) == first
    assert path.stat().st_mtime_ns == before


def test_a_source_that_changes_while_it_is_read_is_left_out(
    judge, write_film, tmp_path, monkeypatch
):
    path = write_film(tmp_path / "film.mp4", 12, 2)
    task = task_of(path)

    def changing(*arguments):
        write_film(path, 13, 3)
        return Judge._judge_clip(judge, *arguments)

    monkeypatch.setattr(judge, "_judge_clip", changing)
    report = judge.judge(task)
    assert report.info.sources[0].reason == CHANGED
    assert list(rows_of(judge.settings.parts / f"{task.name}.parquet")) == []
    early = Task.of([ArchiveSource(str(path), 1, "earlier", "gate")])
    assert judge.judge(early).info.sources[0].reason == CHANGED


def test_a_full_disk_ends_the_scan_and_no_film_is_left_out(
    judge, write_film, tmp_path, monkeypatch
):
    task = task_of(write_film(tmp_path / "film.mp4", 12, 4))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dmad.scan.judge.PartWriter.add", full)
    with pytest.raises(OSError, match="No space left"):
        judge.judge(task)
    assert not (judge.settings.parts / f"{task.name}.parquet").exists()


def test_a_store_that_fails_is_tried_again(judge, tmp_path):
    task = Task.of([ArchiveSource("memory://archive/nothing.mp4", 5, "1", "gate")])
    report = judge.judge(task)
    assert report.info.sources[0].reason == CHANGED  # it was deleted


def test_images_that_cannot_be_read_do_not_stop_the_others(trained_images, image_data, tmp_path):
    judge = Judge(JudgeSettings(str(trained_images), tmp_path / "parts", device="cpu"))
    good = sorted((image_data / "discs/test/good").iterdir())[:2]
    (tmp_path / "bad.png").write_bytes(b"no image")
    Image.new("RGB", (4, 4)).save(tmp_path / "small.png")
    paths = [good[0], tmp_path / "bad.png", tmp_path / "small.png", good[1]]
    sources = [ArchiveSource(str(path), *identity_of(str(path)), "line") for path in paths]
    report = judge.judge(Task.of(sources))
    outcomes = report.info.sources
    assert [bool(one.reason) for one in outcomes] == [False, True, True, False]
    assert outcomes[1].reason == "no image of a kind that can be read"
    rows = list(rows_of(tmp_path / "parts" / f"{Task.of(sources).name}.parquet"))
    assert [row["source"] for row in rows] == [0, 3]


def test_the_rate_is_limited():
    pace, start = Pace(100.0), time.monotonic()
    for _ in range(130):
        pace.wait()
    assert 0.25 < time.monotonic() - start < 1.0
    start = time.monotonic()
    for _ in range(1000):
        Pace(0.0).wait()
    assert time.monotonic() - start < 0.2
