from datetime import datetime

import av
import numpy as np
import pytest
from PIL import Image

from dmad.drawing.pictures import enlarged, resized
from dmad.forms.video.pictures import ColourScale
from dmad.inference.streaming import judge_clip
from dmad.watch.event_films import EventFilms
from dmad.watch.event_media import EventMedia, time_text
from dmad.watch.events import EventUpdate
from dmad.watch.messages import EventMessage


def update(state: str, peak, end: float | None = None) -> EventUpdate:
    message = EventMessage(
        source="gate",
        id="gate-1.000",
        state=state,
        start=1.0,
        peak=1.0,
        end=end,
        score=2.0,
        threshold=1.0,
        term="reconstruction",
        box=(0.0, 0.0, 1.0, 1.0),
    )
    return EventUpdate(message, peak)


@pytest.fixture
def peak(detector, frames_of):
    return next(judge_clip(detector, frames_of(3, 5)))


def open_media(detector, folder, warnings) -> EventMedia:
    films = EventFilms(folder / "clips", fps=10, before=0.5, after=0.5)
    scale = ColourScale.from_detector(detector)
    return EventMedia(films, folder / "thumbnails", scale, warnings.append)


def picture(level: int) -> np.ndarray:
    return np.full((32, 48, 3), level, np.uint8)


def test_times_of_recordings_are_seconds_and_live_times_are_local_times():
    assert time_text(12.34) == "12.3 s"
    noon = datetime(2026, 3, 4, 12, 0, 5)
    assert time_text(noon.timestamp()) == "2026-03-04 12:00:05"


def test_an_event_gets_a_film_and_a_thumbnail(detector, peak, tmp_path):
    warnings: list[str] = []
    media = open_media(detector, tmp_path, warnings)
    for index in range(10):
        media.add_picture(picture(index), index / 10)
    new = media.add_event(update("new", peak))
    end = media.add_event(update("end", peak, end=1.2))
    media.close()
    assert new.clip == end.clip == str(tmp_path / "clips" / "gate-1.000.mp4")
    with av.open(end.clip) as film:
        assert sum(1 for _ in film.decode(video=0)) == 5
    with Image.open(end.thumbnail) as thumbnail:
        assert thumbnail.size == (2 * 384, 256)  # heat and the enlarged place, side by side
        place = np.asarray(thumbnail)[:, 384:]
    frame = resized(peak.batch.frames[0], 384, 256)
    np.testing.assert_array_equal(place, enlarged(frame, (0.0, 0.0, 1.0, 1.0)))
    assert warnings == []


def test_a_message_without_files_is_sent_if_they_cannot_be_written(detector, peak, tmp_path):
    (tmp_path / "thumbnails").write_text("a file where a folder should be")
    warnings: list[str] = []
    media = open_media(detector, tmp_path, warnings)
    media.add_picture(picture(0), 0.0)
    message = media.add_event(update("new", peak))
    assert (message.id, message.clip, message.thumbnail) == ("gate-1.000", "", "")
    assert len(warnings) == 1
    assert warnings[0].startswith("a film or picture is not written: ")


def test_a_film_that_cannot_be_written_is_warned_about_once(detector, peak, tmp_path):
    (tmp_path / "clips").write_text("a file where a folder should be")
    warnings: list[str] = []
    media = open_media(detector, tmp_path, warnings)
    media.add_picture(picture(0), 0.0)
    media.add_event(update("new", peak))
    for index in range(1, 5):
        media.add_picture(picture(index), index / 10)
    media.add_gap()
    media.close()
    assert len(warnings) == 1
