"""Pauses do not change the frame rate of a video, and file names are never read as protocols."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dmad.data.reading.video_header import count_frames, frame_times, read_header


def write(path: Path, times: list[float], codec: str = "mpeg4", form: str | None = None) -> Path:
    with av.open(str(path.absolute()), "w", format=form) as film:
        stream = film.add_stream(codec, rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


def test_pauses_do_not_change_the_rate(tmp_path):
    times = [index / 10 + 600 * (index >= 10) for index in range(20)]
    path = write(tmp_path / "a.mp4", times)
    header = read_header(path)
    assert (header.fps, header.frames, header.has_clock) == (10, 20, True)
    assert frame_times(path) == pytest.approx(times)


def test_a_raw_stream_has_no_clock_and_no_rate(tmp_path):
    path = write(tmp_path / "a.mjpeg", [index / 10 for index in range(5)], "mjpeg", "mjpeg")
    header = read_header(path)
    assert (header.fps, header.frames, header.has_clock) == (0, 5, False)
    assert count_frames(path) == 5
    assert frame_times(path) == []


def test_an_unreadable_file_has_no_header(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert read_header(tmp_path / "a.mp4").frames == count_frames(tmp_path / "a.mp4") == 0


@pytest.mark.parametrize("name", ["16:01:04.mp4", "concat:a.mp4", "pipe:0.mp4"])
def test_a_name_with_a_colon_is_a_path(tmp_path, monkeypatch, name):
    write(tmp_path / name, [0.0, 0.1])
    monkeypatch.chdir(tmp_path)
    assert read_header(Path(name)).frames == 2
