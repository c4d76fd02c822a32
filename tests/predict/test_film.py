from types import SimpleNamespace

import av
import numpy as np

from dmad.drawing.video_writer import VideoWriter
from dmad.predict.film import Film


def shown(index: int) -> SimpleNamespace:
    grey = np.full((64, 64, 3), 90, np.uint8)
    return SimpleNamespace(index=index, score=0.5, bend=0.1, heat=grey, arrows=grey)


def test_a_full_disk_ends_the_film_alone(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "film.mp4").write_bytes(b"of a call before")
    monkeypatch.setattr(VideoWriter, "_encode", full)
    told = []
    with Film(tmp_path / "film.mp4", 10, report=told.append) as film:
        for index in range(3):
            film.judged(shown(index), 0.0, 0.0)
    assert not film.whole
    assert len(told) == 1
    assert "No space left" in told[0]
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_every_frame_in_the_shape_it_was_filmed_and_alarms_in_red(tmp_path, calibration_of):
    with Film(tmp_path / "film.mp4", 10, 1.5, calibration_of(7.0)) as film:
        film.unjudged(np.zeros((64, 64, 1), np.uint8))
        film.judged(shown(1), 0.0, 0.0)
        film.judged(shown(2), 1e6, 0.0)
    with av.open(str(tmp_path / "film.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(256, 2 * 384, 3)] * 3
    red = [frame[-2, :, 0].mean() - frame[-2, :, 1].mean() > 100 for frame in frames]
    assert red == [False, False, True]
