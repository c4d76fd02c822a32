"""Cutting films, and reading their stretches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError
from dmad.scan.film import (
    WHOLE,
    FilmIndex,
    read_frames,
    read_index,
    read_stretch,
    stated_seconds,
)

FORMAT, FPS = FrameFormat(32, 1), 10.0


def frames_in(path: Path, stretches, **options):
    """Frames and times of stretches, one after another; times count from the first frame."""
    found = []
    for stretch in stretches:
        read = read_stretch(path, stretch, FORMAT, FPS, lambda line: None, **options)
        found += [frame for frame in read if frame.wanted]
    start = found[0].time
    return [frame.image for frame in found], [round(frame.time - start, 6) for frame in found]


def test_an_index_holds_the_times_of_all_frames(write_film, tmp_path):
    index = read_index(write_film(tmp_path / "film.mp4", 45), FPS)
    assert len(index.times) == 45
    assert index.keyframes[:3] == [0, 10, 20]
    assert index.seconds == pytest.approx(4.4)


def test_stretches_begin_with_keyframes_and_cover_the_film(write_film, tmp_path):
    index = read_index(write_film(tmp_path / "film.mp4", 100), FPS)
    stretches = index.cut(2.0, past=7)
    assert [stretch.number for stretch in stretches] == [0, 1, 2, 3, 4]
    assert {stretch.count for stretch in stretches} == {5}
    assert [one.start for one in stretches] == [None, *(index.times[20 * k] for k in range(1, 5))]
    assert [one.stop for one in stretches[:-1]] == [one.start for one in stretches[1:]]
    assert stretches[2].past == index.times[33]
    assert stretches[2].seek == index.times[20]  # one keyframe more than needed


def test_a_film_without_keyframes_is_not_cut():
    index = FilmIndex(list(range(100)), [0], 0.1)
    assert len(index.cut(2.0, past=7)) == 1


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".mp4", {"bf": "2"}), (".mkv", {"bf": "2"}), (".ts", {"bf": "2"}), (".avi", {})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_stretches_give_the_frames_of_one_pass(write_film, tmp_path, suffix, options):
    path = write_film(tmp_path / f"film{suffix}", 90, **options)
    index = read_index(path, FPS)
    stretches = index.cut(1.3, past=6)
    assert len(stretches) == 7
    images, times = frames_in(path, stretches)
    whole = list(read_frames(path, FORMAT, FPS, lambda line: None))
    assert len(images) == len(whole) == 90
    assert all(np.array_equal(one, two.image) for one, two in zip(images, whole, strict=True))
    assert times == pytest.approx([frame.time for frame in whole], abs=1e-6)


def test_the_frames_before_a_stretch_are_its_past(write_film, tmp_path):
    path = write_film(tmp_path / "film.mp4", 60)
    stretch = read_index(path, FPS).cut(2.0, past=6)[1]
    read = list(read_stretch(path, stretch, FORMAT, FPS, lambda line: None))
    assert [frame.wanted for frame in read] == [False] * 6 + [True] * 20


def test_a_search_that_lands_too_late_starts_again_at_the_beginning(write_film, tmp_path):
    path = write_film(tmp_path / "film.mp4", 60)
    stretch = read_index(path, FPS).cut(2.0, past=6)[1]
    wrong = replace(stretch, seek=read_index(path, FPS).times[40])
    images, _ = frames_in(path, [wrong])
    assert np.array_equal(images[0], frames_in(path, [stretch])[0][0])
    assert len(images) == 20


def test_a_film_of_avi_in_another_order_or_without_times_is_not_cut(write_film, tmp_path):
    assert read_index(write_film(tmp_path / "film.avi", 30, bf="2"), FPS) is None
    assert read_index(write_film(tmp_path / "film.h264", 30), FPS) is None
    (tmp_path / "no.mp4").write_bytes(b"no film")
    assert read_index(tmp_path / "no.mp4", FPS) is None
    assert stated_seconds(tmp_path / "no.mp4") == 0.0


def test_a_stretch_at_an_event_begins_at_its_frame(write_film, tmp_path):
    path = write_film(tmp_path / "film.mp4", 60)
    index = read_index(path, FPS)
    stretch = index.at(2.0, 3.0, past=6)
    assert (stretch.start, stretch.past) == (index.times[20], index.times[14])
    assert stretch.stop == index.times[31]
    assert index.at(5.0, 99.0, past=6).stop is None


def test_a_folder_of_frames_is_read_as_a_film(write_clip, tmp_path):
    folder = write_clip(tmp_path / "clip", 0, 6)
    read = list(read_frames(folder, FORMAT, 5.0, lambda line: None))
    assert [frame.time for frame in read] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert WHOLE.holds(None)


def test_stretches_of_a_folder_give_the_frames_of_one_pass(write_clip, tmp_path):
    folder = write_clip(tmp_path / "clip", 0, 40)
    for number in (0, 1, 14, 15, 16, 39):  # at the seams, and in the past of a stretch
        (folder / f"{number:03}.png").write_bytes(b"no image")
    stretches = read_index(folder, FPS).cut(0.8, past=6)
    assert [one.start for one in stretches] == [None, 8, 16, 24, 32]
    images, times = frames_in(folder, stretches)
    whole = list(read_frames(folder, FORMAT, FPS, lambda line: None))
    assert len(images) == len(whole) == 40
    assert all(np.array_equal(one, two.image) for one, two in zip(images, whole, strict=True))
    assert times == pytest.approx([frame.time for frame in whole], abs=1e-6)


def test_all_stretches_of_a_folder_have_one_range_of_values(tmp_path):
    for number in range(40):
        values = np.full((32, 32), 100 * number, np.uint16)
        values[0, 0] = 50
        Image.fromarray(values).save(tmp_path / f"{number:03}.png")
    images, _ = frames_in(tmp_path, read_index(tmp_path, FPS).cut(1.0, past=6))
    whole = list(read_frames(tmp_path, FORMAT, FPS, lambda line: None))
    assert [image.max() for image in images] == [frame.image.max() for frame in whole]
    assert len({int(image.max()) for image in images}) > 20


def test_a_folder_without_readable_images_is_refused(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    (stretch, *_) = read_index(tmp_path, FPS).cut(2.0, past=6)
    with pytest.raises(DmadError, match="holds no readable image"):
        list(read_stretch(tmp_path, stretch, FORMAT, FPS, lambda line: None))


def test_an_avi_film_whose_keyframes_are_none_is_decoded_from_the_start(write_film, tmp_path):
    path = write_film(tmp_path / "film.avi", 60, codec="msmpeg4")
    content = bytearray(path.read_bytes())
    index = content.rindex(b"idx1")
    for entry in range(index + 8, len(content), 16):  # name, flags, place, length
        content[entry + 4] |= 0x10  # a keyframe
    path.write_bytes(content)
    found = read_index(path, FPS)
    assert len(found.keyframes) == 60
    images, _ = frames_in(path, found.cut(1.0, past=6))
    whole = list(read_frames(path, FORMAT, FPS, lambda line: None))
    assert all(np.array_equal(one, two.image) for one, two in zip(images, whole, strict=True))
