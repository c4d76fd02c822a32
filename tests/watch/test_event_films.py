import av
import numpy as np

from dmad.watch.event_films import EventFilms


def grey(level: int) -> np.ndarray:
    return np.full((32, 48, 3), level, np.uint8)


def count_pictures(path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_film_begins_before_its_event_and_ends_after_it(tmp_path):
    films = EventFilms(tmp_path, 10, before=1, after=0.5)
    for i in range(60):
        films.add_picture(grey(4 * i), i / 10)
        if i == 20:
            films.start_event("gate-2.000")
        if i == 30:
            films.end_event("gate-2.000", 3.0)
    pictures = 10 + 15  # 11 to 20, and 21 to 35
    assert count_pictures(films.path("gate-2.000")) == pictures
    assert [file.name for file in tmp_path.iterdir()] == ["gate-2.000.mp4"]


def test_a_gap_ends_the_film_of_an_event_that_is_over(tmp_path):
    films = EventFilms(tmp_path, 10, before=1, after=3)
    for i in range(10):
        films.add_picture(grey(i), i / 10)
    films.start_event("before")
    films.add_gap()
    assert not films.path("before").exists()  # its event may continue
    films.end_event("before", 1.0)
    films.add_gap()
    assert count_pictures(films.path("before")) == 10


def test_a_film_holds_nothing_from_before_a_gap(tmp_path):
    films = EventFilms(tmp_path, 10, before=1, after=3)
    for i in range(10):
        films.add_picture(grey(i), i / 10)
    films.add_gap()
    films.add_picture(grey(99), 2.0)
    films.start_event("after")
    films.close()
    assert count_pictures(films.path("after")) == 1


def test_two_films_at_once_contain_pictures_of_another_size_too(tmp_path):
    films = EventFilms(tmp_path, 10, before=0.5, after=9)
    for i in range(30):
        films.add_picture(grey(i), i / 10)
        if i in (10, 20):
            films.start_event(f"e{i}")
    films.add_picture(np.zeros((16, 16, 3), np.uint8), 3.0)
    films.close()
    assert count_pictures(tmp_path / "e10.mp4") == 25
    assert count_pictures(tmp_path / "e20.mp4") == 15


def test_the_film_of_a_long_event_has_a_limit(tmp_path):
    films = EventFilms(tmp_path, 10, before=0.5, after=1, longest=2.0)
    films.add_picture(grey(0), 0.0)
    films.start_event("long")
    for i in range(50):
        films.add_picture(grey(i), i / 10)
    assert count_pictures(tmp_path / "long.mp4") == 20
