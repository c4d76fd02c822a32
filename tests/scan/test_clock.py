"""When a recording was made."""

from datetime import datetime

import av
import pytest

from dmad.scan.clock import BY_DATE, BY_FILE, BY_NAME, moment_in, recorded_at


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("gate/2026-03-01_13-05-09.mp4", datetime(2026, 3, 1, 13, 5, 9)),
        ("gate/20260301T130509.mp4", datetime(2026, 3, 1, 13, 5, 9)),
        ("gate/2026-03-01/13/05.mp4", datetime(2026, 3, 1, 13, 5)),
        ("gate/2026.03.01/film.mp4", datetime(2026, 3, 1)),
        ("gate/2026-02-31.mp4", None),
        ("gate/120260301.mp4", None),
        ("gate/film.mp4", None),
    ],
)
def test_date_and_time_are_read_from_a_name(name, moment):
    assert moment_in(name) == moment


def test_the_name_counts_before_the_film_and_its_date(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["creation_time"] = "2026-03-01T10:00:00"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    named = recorded_at("2026-05-06_07-08-09.mp4", path, "1", 0)
    assert named == ("2026-05-06T07:08:09", BY_NAME)
    moment, clock = recorded_at("film.mp4", path, "1", 0)
    assert clock == BY_FILE
    assert moment.startswith("2026-0")


def test_the_date_of_change_is_the_end_of_a_recording():
    stamp = str(int(datetime(2026, 3, 1, 12).timestamp() * 1e9))
    assert recorded_at("film.mp4", None, stamp, 3600.0) == ("2026-03-01T11:00:00", BY_DATE)
    assert recorded_at("clip", None, f"12 files, {stamp}", 0.0)[0] == "2026-03-01T12:00:00"
    assert recorded_at("film.mp4", None, "an etag", 0.0) == ("", "")
