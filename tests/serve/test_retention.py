import time

import pytest

from dmad.serve.event_rows import EventRows
from dmad.serve.part_rows import NewPart, PartRows
from dmad.serve.retention import DAY, Limits, Retention, Usage


@pytest.fixture
def make(store, tmp_path, event, monkeypatch):
    """Makes a retention of three events with films of 1000 bytes, 0, 10 and 20 days old."""
    events, parts = EventRows(store), PartRows(store)
    (tmp_path / "clips").mkdir()
    (tmp_path / "thumbnails").mkdir()
    for days in (20, 10, 0):
        name = f"{days}.mp4"
        (tmp_path / "clips" / name).write_bytes(b"x" * 1000)
        number = events.add(event(float(days), clip=name))
        with store.writing() as connection:
            connection.execute(
                "UPDATE events SET raised = ? WHERE number = ?", [time.time() - days * DAY, number]
            )

    def made(days: float = 0.0, gigabytes: float = 0.0) -> Retention:
        return Retention(tmp_path, events, parts, Limits(days, gigabytes))

    return made


def films(folder) -> list[str]:
    return sorted(path.name for path in (folder / "clips").iterdir())


def test_old_films_are_deleted_and_events_stay(make, tmp_path):
    retention = make(days=15)
    assert retention.clean_up() == 1
    assert films(tmp_path) == ["0.mp4", "10.mp4"]
    assert [one.film for one in retention.events.files()] == ["10.mp4", "0.mp4"]
    assert retention.events.get(1)["film"] == ""
    assert retention.clean_up() == 0


def test_the_oldest_films_are_deleted_if_there_are_too_many_bytes(make, tmp_path):
    assert make(gigabytes=1500 / 1e9).clean_up() == 2
    assert films(tmp_path) == ["0.mp4"]


def test_without_limits_everything_stays(make, tmp_path):
    assert make().clean_up() == 0
    assert len(films(tmp_path)) == 3


def test_a_film_that_is_gone_is_no_error(make, tmp_path):
    (tmp_path / "clips" / "20.mp4").unlink()
    assert make(days=15).clean_up() == 1


def test_pictures_of_parts_count_and_are_deleted_too(make, tmp_path):
    retention = make(gigabytes=4500 / 1e9)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.webp").write_bytes(b"x" * 2000)
    retention.parts.add(
        NewPart("a", "m", 1.0, None, "", 1.0, 1.0, 0.0, (0, 0, 1, 1), picture="a.webp")
    )
    assert retention.usage().bytes == 5000
    assert retention.clean_up() == 1  # the oldest film makes room
    assert (tmp_path / "parts" / "a.webp").is_file()


def test_the_rate_says_when_the_limit_is_reached(make):
    usage = make(gigabytes=1.0).usage()
    assert usage.per_day == pytest.approx(1000 / 7, rel=0.01)  # only the film of this week
    assert Usage(500, 100.0, 10_000).full_in(1500 / 1e9) == 10.0
    assert Usage(500, 100.0, 300).full_in(0) == 3.0  # the disk
    assert Usage(500, 0.0, 300).full_in(1.0) is None


def test_the_thread_stops(make):
    retention = make()
    retention.start()
    retention.stop()
    assert not retention._thread.is_alive()
