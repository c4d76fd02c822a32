"""The clips and images that a user names are found, each with a name of its own."""

from pathlib import Path

import pytest

from dmad.data.inputs import clip_names, find_clips, find_images
from dmad.errors import DmadError


def test_a_folder_of_clips_gives_them_in_natural_order(write_frames, write_video, tmp_path):
    clips = [write_frames(tmp_path / "in" / "clip2", 2), write_video(tmp_path / "in/clip10.avi", 2)]
    assert find_clips(tmp_path / "in") == clips
    assert find_clips(clips[0]) == [clips[0]]
    assert find_clips(clips[1]) == [clips[1]]


def test_images_beside_clips_are_left_out_and_reported(write_frames, tmp_path, logged):
    clip = write_frames(tmp_path / "yard" / "a", 2)
    write_frames(tmp_path / "yard", 1)
    assert find_clips(tmp_path / "yard") == [clip]
    assert "1 images beside its clips left out" in logged()


def test_missing_paths_and_folders_without_clips_are_refused(tmp_path):
    with pytest.raises(DmadError, match="holds no videos"):
        find_clips(tmp_path)
    with pytest.raises(DmadError, match="does not exist"):
        find_clips(tmp_path / "missing")
    with pytest.raises(DmadError, match="missing does not exist"):
        find_images([tmp_path, tmp_path / "missing"])


def test_clips_of_one_name_get_a_number_and_folders_keep_their_dots(tmp_path, monkeypatch):
    clips = [tmp_path / "v1.0", tmp_path / "v1.1", tmp_path / "v1.mp4", tmp_path / "x/v1.avi"]
    for clip in clips[:2]:
        clip.mkdir()
    assert clip_names(clips) == ["v1.0", "v1.1", "v1", "v1-2"]
    monkeypatch.chdir(tmp_path)
    assert clip_names([Path()]) == [tmp_path.name]


def test_images_of_one_name_carry_their_folder(write_image):
    spot, good = write_image("spot/0.png"), write_image("good/0.png")
    assert [file.name for file in find_images([spot])] == ["0.png"]
    assert [file.name for file in find_images([spot, good])] == ["spot/0.png", "good/0.png"]
    folder = spot.parents[1]
    twice = find_images([folder, folder / "spot" / ".."])
    assert [file.name for file in twice] == ["data/good/0.png", "data/spot/0.png"]
