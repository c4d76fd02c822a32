import pytest

from dmad.errors import DmadError
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


def test_health_names_faulty_cameras(make_console, video_model, tmp_path):
    console = make_console(video_model, cameras=[Camera(str(tmp_path / "none.mp4"), "gate")])
    health = console.health()
    assert health["status"] == "degraded"
    assert health["cameras"][0]["name"] == "gate"
    assert "does not exist" in health["cameras"][0]["problem"]
    assert health["models"] == [{"name": "tiny", "judges": "frames"}]
