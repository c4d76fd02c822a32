"""Videos: written completely or not at all, and annotated images."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dmad.drawing.video_writer import SUFFIXES, VideoWriter, annotate
from dmad.errors import DmadError


def write(path, count=6, shape=(32, 48, 3), fps=25.0):
    with VideoWriter(path, fps) as writer:
        for index in range(count):
            writer.write(np.full(shape, 30 * index, np.uint8))


def read(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return rate, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_written_video_can_be_read_again(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write(path)
    rate, frames = read(path)
    assert rate == 25
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * 6
    assert np.allclose([frame.mean() for frame in frames], 30 * np.arange(6), atol=6)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", ["16:00:00", "http:", "%d"])
def test_a_relative_folder_is_never_taken_for_a_protocol(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    write(Path(folder) / "clip.mp4")
    assert len(read(tmp_path / folder / "clip.mp4")[1]) == 6


@pytest.mark.parametrize("shape", [(33, 47), (33, 47, 1), (33, 47, 3)])
def test_odd_sizes_grow_to_even_ones_and_grey_becomes_colour(tmp_path, shape):
    write(tmp_path / "clip.mp4", shape=shape)
    assert read(tmp_path / "clip.mp4")[1][0].shape == (34, 48, 3)


@pytest.mark.parametrize(
    ("fps", "rate"), [(30000 / 1001, Fraction(30000, 1001)), (12.5, 12.5), (0.5, 0.5)]
)
def test_rates_may_be_fractions(tmp_path, fps, rate):
    write(tmp_path / "clip.mp4", fps=fps)
    found, frames = read(tmp_path / "clip.mp4")
    assert found == rate
    assert len(frames) == 6


def test_without_h264_another_codec_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    write(tmp_path / "clip.mp4")
    assert len(read(tmp_path / "clip.mp4")[1]) == 6


def fail(path, count):
    with VideoWriter(path, 25) as writer:
        for _ in range(count):
            writer.write(np.zeros((32, 32), np.uint8))
        raise RuntimeError("stop")


@pytest.mark.parametrize("count", [0, 1, 100])
def test_an_exception_leaves_no_file_and_an_earlier_video_stays(tmp_path, count):
    path = tmp_path / "clip.mp4"
    with pytest.raises(RuntimeError, match="stop"):
        fail(path, count)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="stop"):
        fail(path, count)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_images_there_is_no_file(tmp_path):
    write(tmp_path / "clip.mp4", count=0)
    assert list(tmp_path.iterdir()) == []


def test_images_of_another_size_are_refused(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 25) as writer:
        writer.write(np.zeros((32, 32), np.uint8))
        with pytest.raises(DmadError, match="resize"):
            writer.write(np.zeros((32, 34), np.uint8))


def test_an_unknown_suffix_and_a_rate_of_zero_are_refused(tmp_path):
    with pytest.raises(DmadError, match="its name must end with"):
        VideoWriter(tmp_path / "clip.txt", 25)
    with pytest.raises(DmadError, match="fps"):
        VideoWriter(tmp_path / "clip.mp4", 0)


@pytest.mark.parametrize("shape", [(128, 128), (128, 128, 1), (128, 128, 3)])
def test_text_is_written_into_a_corner_of_a_copy(shape):
    image = np.full(shape, 200, np.uint8)
    marked = annotate(image, ["score 1.25", "frame 7"])
    assert marked.shape == (128, 128, 3)
    assert marked[:40, :80].min() < 100
    assert (marked[64:] == 200).all()
    assert (image == 200).all()
    assert (annotate(image, []) == 200).all()


def test_a_video_is_not_continued_after_a_full_disk(tmp_path, at_most):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3), np.uint8)
    writer = VideoWriter(tmp_path / "clip.mp4", 25)

    def write_noise() -> None:
        for image in noise:
            writer.write(image)

    with pytest.raises(OSError, match="File too large"), at_most(0):
        write_noise()
    with pytest.raises(DmadError, match="after an error"):
        writer.write(noise[0])
    writer.close()
    assert not list(tmp_path.iterdir())
