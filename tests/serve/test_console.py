import pytest

from dmad.errors import DmadError
from dmad.files import unfinished_path
from dmad.serve.console import Console
from dmad.serve.settings import ServeSettings
from dmad.watch.cameras import Camera


def test_a_folder_belongs_to_one_console(make_console, video_model, tmp_path):
    make_console(video_model)
    with pytest.raises(DmadError, match="is in use by process"):
        Console(ServeSettings(data=tmp_path / "console"), [video_model])


def test_a_console_that_cannot_start_leaves_nothing_open(image_model, tmp_path):
    settings = ServeSettings(data=tmp_path / "console")
    with pytest.raises(DmadError, match="need a model for video"):
        Console(settings, [image_model], [Camera("rtsp://host/a")])
    with Console(settings, [image_model]) as console:  # the folder is free again
        assert list(console.stations) == ["discs"]
        assert not console.watches


def test_what_a_killed_console_has_not_finished_is_removed(make_console, image_model, tmp_path):
    """Also if its process had the same number on another machine, as in a container."""
    unfinished = unfinished_path(tmp_path / "console/parts/2026-11-29")
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    whole = unfinished.with_name("part.webp")
    whole.touch()
    make_console(image_model)
    assert (unfinished.exists(), whole.exists()) == (False, True)


def test_health_names_faulty_cameras(make_console, video_model, tmp_path):
    console = make_console(video_model, cameras=[Camera(str(tmp_path / "none.mp4"), "gate")])
    health = console.health()
    assert health["status"] == "degraded"
    assert health["cameras"][0]["name"] == "gate"
    assert "does not exist" in health["cameras"][0]["problem"]
    assert health["models"] == [{"name": "tiny", "judges": "frames"}]
