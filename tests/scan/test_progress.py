"""The progress of a scan."""

import pytest

from dmad.scan.archive import ArchiveSource
from dmad.scan.film import Stretch
from dmad.scan.plan import Task, Unfinished
from dmad.scan.progress import ScanProgress


def film(size: int, name: str = "film.mp4", stretch: Stretch | None = None) -> Task:
    return Task.of([ArchiveSource(f"/archive/{name}", size, "1", "gate")], stretch)


def half(size: int) -> Task:
    """One of two stretches of a film."""
    return film(size, stretch=Stretch(0, 2, None, None, None, None))


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time in seconds. Tests change it."""
    time = [100.0]
    monkeypatch.setattr("dmad.scan.progress.time.monotonic", lambda: time[0])
    return time


def test_the_text_names_sources_frames_rate_and_time_left(now):
    progress = ScanProgress(Unfinished(4, 0, 0, {".mp4": 400}))
    now[0] = 110.0
    progress.add(half(100), 20)
    progress.add(half(100), 20)
    assert progress.text() == "1 of 4 sources, 40 frames, 4.0 per second, 0:00:30 left"
    for _ in range(3):
        progress.add(film(100), 40)
    assert progress.text() == "4 of 4 sources, 160 frames, 16.0 per second"


def test_the_time_left_counts_the_frames_of_each_kind_of_source(now):
    left = Unfinished(4, 0, 0, {".mp4": 200, "folder": 20_000})
    progress = ScanProgress(left)
    now[0] = 110.0
    progress.add(film(100), 50)
    progress.add(film(10_000, "frames"), 50)
    assert progress.share == pytest.approx(0.5)
    assert progress.text().endswith("0:00:10 left")


def test_a_kind_of_which_nothing_was_judged_counts_as_all_others():
    progress = ScanProgress(Unfinished(2, 0, 0, {".mp4": 100, ".avi": 300}))
    progress.add(film(100), 50)
    assert progress.share == pytest.approx(0.25)


def test_images_count_by_their_number_and_not_by_their_bytes():
    progress = ScanProgress(Unfinished(8, 0, 0, {"image": 8}))
    sources = [ArchiveSource(f"/archive/{n}.png", 10 ** (n + 1), "1", "line") for n in range(2)]
    progress.add(Task.of(sources), 2)
    assert progress.share == 0.25


def test_a_film_that_is_finished_in_part_counts_once():
    progress = ScanProgress(Unfinished(1, 0.5, 1, {".mp4": 50}))
    progress.add(half(100), 10)
    assert progress.share == 1.0
    assert progress.text().startswith("1 of 1 sources, 10 frames")


def test_as_long_as_there_are_no_frames_the_share_is_that_of_the_sources():
    progress = ScanProgress(Unfinished(4, 0, 0, {".mp4": 400}))
    assert progress.share == 0.0
    progress.add(film(100), 0)
    assert progress.share == 0.25
    assert ScanProgress(Unfinished(0, 0, 0, {})).share == 1.0


def test_without_a_terminal_there_is_a_message_each_minute(now, logged):
    progress = ScanProgress(Unfinished(10, 0, 0, {".mp4": 10}))
    with progress.shown():
        for seconds in (30.0, 59.0, 61.0, 100.0, 122.0):
            now[0] = 100.0 + seconds
            progress.add(film(1), 1)
    assert logged().count("of 10 sources") == 2


def test_in_a_terminal_there_is_a_bar(monkeypatch):
    monkeypatch.setattr("dmad.scan.progress.bars_are_shown", lambda: True)
    progress = ScanProgress(Unfinished(2, 0, 0, {".mp4": 2}))
    with progress.shown():
        progress.add(film(1), 1)
    assert progress.rate > 0


def test_an_error_ends_the_bar(monkeypatch):
    monkeypatch.setattr("dmad.scan.progress.bars_are_shown", lambda: True)
    progress = ScanProgress(Unfinished(2, 0, 0, {".mp4": 2}))
    with pytest.raises(KeyboardInterrupt), progress.shown():
        raise KeyboardInterrupt
