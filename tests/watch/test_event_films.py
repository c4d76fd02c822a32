import av
import numpy as np

from dmad.watch.event_films import Clips


def grey(level: int) -> np.ndarray:
    return np.full((32, 48, 3), level, np.uint8)


def length_of(path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_film_begins_before_its_event_and_ends_after_it(tmp_path):
    clips = Clips(tmp_path, 10, before=1, after=0.5)
    for i in range(60):
        clips.push(grey(4 * i), i / 10)
        if i == 20:
            clips.start("gate-2.000")
        if i == 30:
            clips.end("gate-2.000", 3.0)
    assert length_of(clips.path("gate-2.000")) == 10 + 15  # frames 11 to 20, 21 to 35
    assert [file.name for file in tmp_path.iterdir()] == ["gate-2.000.mp4"]


def test_a_film_does_not_go_on_over_what_was_not_seen(tmp_path):
    clips = Clips(tmp_path, 10, before=1, after=3)
    for i in range(10):
        clips.push(grey(i), i / 10)
    clips.start("before")
    clips.skip()
    assert not clips.path("before").exists()  # its event may go on
    clips.end("before", 1.0)
    clips.skip()
    assert length_of(clips.path("before")) == 10
    clips.push(grey(99), 2.0)
    clips.start("after")
    clips.close()
    assert length_of(clips.path("after")) == 1


def test_two_films_at_once_and_one_that_is_cut_off(tmp_path):
    clips = Clips(tmp_path, 10, before=0.5, after=9)
    for i in range(30):
        clips.push(grey(i), i / 10)
        if i in (10, 20):
            clips.start(f"e{i}")
    clips.push(np.zeros((16, 16, 3), np.uint8), 3.0)
    clips.close()
    assert (length_of(tmp_path / "e10.mp4"), length_of(tmp_path / "e20.mp4")) == (24, 14)


def test_an_event_of_hours_fills_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("dmad.watch.event_films.LONGEST", 2.0)
    clips = Clips(tmp_path, 10, before=0.5, after=1)
    clips.push(grey(0), 0.0)
    clips.start("long")
    for i in range(50):
        clips.push(grey(i), i / 10)
    assert length_of(tmp_path / "long.mp4") == 20
