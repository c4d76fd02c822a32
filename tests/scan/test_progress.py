"""The progress of a scan."""

import pytest

from dmad.scan.progress import ScanProgress


def test_the_text_names_sources_frames_rate_and_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("dmad.scan.progress.time.monotonic", lambda: now[0])
    progress = ScanProgress(4, 400)
    now[0] = 110.0
    progress.add(0.5, 50, 20)
    progress.add(0.5, 50, 20)
    assert progress.text() == "1 of 4 sources, 40 frames, 4.0 per second, 0:00:30 left"
    progress.add(3, 300, 100)
    assert progress.text() == "4 of 4 sources, 140 frames, 14.0 per second"


def test_without_sizes_the_share_is_that_of_the_sources():
    progress = ScanProgress(4, 0)
    progress.add(1, 0, 5)
    assert progress.share == 0.25
    assert ScanProgress(0, 0).share == 1.0


def test_without_a_terminal_there_is_a_message_each_minute(monkeypatch, logged):
    now = [0.0]
    monkeypatch.setattr("dmad.scan.progress.time.monotonic", lambda: now[0])
    progress = ScanProgress(10, 10)
    with progress.shown():
        for seconds in (30.0, 59.0, 61.0, 100.0, 122.0):
            now[0] = seconds
            progress.add(1, 1, 1)
    assert logged().count("of 10 sources") == 2


def test_in_a_terminal_there_is_a_bar(monkeypatch):
    monkeypatch.setattr("dmad.scan.progress.bars_are_shown", lambda: True)
    progress = ScanProgress(2, 2)
    with progress.shown():
        progress.add(1, 1, 1)
    assert progress.rate > 0


def test_an_error_ends_the_bar(monkeypatch):
    monkeypatch.setattr("dmad.scan.progress.bars_are_shown", lambda: True)
    progress = ScanProgress(2, 2)
    with pytest.raises(KeyboardInterrupt), progress.shown():
        raise KeyboardInterrupt
