"""Pictures and films of events."""

import av
import pytest
from PIL import Image

from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.draw import draw
from dmad.scan.drawing_task import DrawingTask, DrawnEvent, film_path, picture_path
from dmad.scan.judge import Judge
from dmad.scan.settings import JudgeSettings


@pytest.fixture(scope="module")
def judge(model, tmp_path_factory):
    parts = tmp_path_factory.mktemp("parts")
    return Judge(JudgeSettings(str(model), parts, device="cpu"))


def source_of(path, view="gate") -> ArchiveSource:
    return ArchiveSource(str(path), *identity_of(str(path)), view)


def frames_in(path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("suffix", [".mp4", ""])
def test_a_film_shows_an_event_and_what_is_around_it(
    judge, write_film, write_clip, tmp_path, suffix
):
    write = write_film if suffix else write_clip
    path = write(tmp_path / f"film{suffix}", count=80, seed=2)
    task = DrawingTask(source_of(path), (DrawnEvent("event", 4.0, 5.0, 4.5),), tmp_path)
    draw(judge, task)
    assert frames_in(film_path(tmp_path, "event")) == 51  # from 2.0 s to 7.0 s
    with Image.open(picture_path(tmp_path, "event")) as picture:
        assert min(picture.size) >= 256


def test_a_source_that_is_gone_has_no_film(judge, tmp_path, logged):
    gone = ArchiveSource(str(tmp_path / "gone.mp4"), 1, "1", "gate")
    task = DrawingTask(gone, (DrawnEvent("event", 0.0, 1.0, 0.5),), tmp_path)
    assert draw(judge, task) is task
    assert "no picture of" in logged()
    assert not film_path(tmp_path, "event").exists()


def test_an_image_is_drawn_with_its_heat(trained_images, image_data, tmp_path):
    judge = Judge(JudgeSettings(str(trained_images), tmp_path / "parts", device="cpu"))
    path = image_data / "discs/test/spot/000.png"
    draw(judge, DrawingTask(source_of(path), (DrawnEvent("one", 0.0, 0.0, 0.0),), tmp_path))
    with Image.open(picture_path(tmp_path, "one")) as picture:
        assert picture.size == (64, 64)
