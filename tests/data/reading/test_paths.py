"""The names of files and the contents of folders tell images, videos and clips."""

from pathlib import Path

import pytest

from dmad.data.reading.paths import (
    holds_frames,
    holds_images,
    image_files,
    is_clip,
    is_image,
    natural_key,
    real_name,
)


def test_numbers_in_names_are_sorted_by_value():
    names = [Path(name) for name in ("frame10.png", "frame2.png", "Frame1.png", "a.png")]
    ordered = [path.name for path in sorted(names, key=natural_key)]
    assert ordered == ["a.png", "Frame1.png", "frame2.png", "frame10.png"]


def test_hidden_files_are_no_images(write_frames, tmp_path):
    folder = write_frames(tmp_path / "clip", 2)
    (folder / "._0.png").write_bytes(b"mac")
    assert [path.name for path in image_files(folder)] == ["0.png", "1.png"]
    assert is_image(Path("a.JPEG"))
    assert not is_image(Path(".a.jpg"))


def test_videos_and_folders_of_images_are_clips(write_frames, tmp_path):
    (tmp_path / "empty").mkdir()
    assert is_clip(write_frames(tmp_path / "clip", 2))
    assert is_clip(tmp_path / "film.MP4")
    assert not is_clip(tmp_path / ".film.mp4")
    assert not is_clip(tmp_path / "empty")
    assert not is_clip(tmp_path / "notes.txt")


def test_a_folder_that_holds_clips_beside_images_is_not_one_clip(write_frames, tmp_path):
    folder = write_frames(tmp_path / "clip", 2)
    write_frames(folder / "masks", 2)
    assert holds_frames(folder)
    write_frames(folder / "inner", 2)
    assert holds_images(folder)
    assert not holds_frames(folder)


@pytest.mark.parametrize(("name", "expected"), [(".", "yard"), ("..", "films"), ("a/", "a")])
def test_the_current_folder_has_a_name(tmp_path, monkeypatch, name, expected):
    (tmp_path / "films" / "yard").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "films" / "yard")
    assert real_name(Path(name)) == expected
