"""The clips and images that a user names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.data.inputs import clip_names, find_clips, find_images
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError


def write_video(path: Path, frames: np.ndarray) -> Path:
    with VideoWriter(path, 5.0) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_a_video_and_a_folder_of_frames_are_clips(tmp_path, write_clip, frames_of) -> None:
    clip = write_clip(tmp_path / "clip", 1)
    video = write_video(tmp_path / "street.mp4", frames_of(3, 3))
    assert find_clips(clip) == [clip]
    assert find_clips(video) == [video]


def test_the_clips_of_a_folder_are_in_natural_order(tmp_path, write_clip, frames_of) -> None:
    clips = [write_clip(tmp_path / "in" / name, 3, 2) for name in ("clip9", "clip10")]
    video = write_video(tmp_path / "in" / "clip2.mp4", frames_of(3, 3))
    assert find_clips(tmp_path / "in") == [video, *clips]


def test_images_beside_videos_are_no_clip(tmp_path, frames_of, logged) -> None:
    video = write_video(tmp_path / "street.mp4", frames_of(3, 3))
    Image.new("L", (32, 32)).save(tmp_path / "poster.png")
    assert find_clips(tmp_path) == [video]
    assert "1 images beside its clips left out" in logged()


def test_a_stray_image_does_not_hide_the_clips_of_a_folder(tmp_path, write_clip) -> None:
    clips = [write_clip(tmp_path / "yard" / name, 1) for name in "ab"]
    write_clip(tmp_path / "yard", 2, 1)
    assert find_clips(tmp_path / "yard") == clips


def test_a_source_without_clips_is_refused(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DmadError, match="holds no videos"):
        find_clips(tmp_path)
    with pytest.raises(DmadError, match=r"nowhere\.mp4 does not exist"):
        find_clips(tmp_path / "nowhere.mp4")


def test_clip_names_are_unique_and_keep_dots_of_folders(tmp_path) -> None:
    folders = [tmp_path / "v1.0", tmp_path / "v1.1"]
    for folder in folders:
        folder.mkdir()
    assert clip_names([*folders, tmp_path / "v1.mp4"]) == ["v1.0", "v1.1", "v1"]
    videos = [tmp_path / day / "cam1.mp4" for day in "ab"]
    assert clip_names(videos) == ["cam1", "cam1-2"]


def test_the_current_folder_has_a_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert clip_names([Path()]) == [tmp_path.name]


def test_images_of_folders_carry_the_name_of_the_folder(image_data) -> None:
    folder = image_data / "discs" / "test" / "spot"
    assert [file.name for file in find_images([folder / "000.png"])] == ["000.png"]
    names = [file.name for file in find_images([folder])]
    assert names == [f"spot/{index:03}.png" for index in range(4)]


def test_single_images_of_one_name_carry_the_names_of_their_folders(image_data) -> None:
    files = [image_data / "discs" / "test" / kind / "000.png" for kind in ("spot", "good")]
    assert [file.name for file in find_images(files)] == ["spot/000.png", "good/000.png"]


def test_folders_of_one_name_have_different_names(image_data) -> None:
    good = [image_data / "discs" / split / "good" for split in ("train", "test")]
    names = [file.name for file in find_images(good)]
    assert len(set(names)) == len(names) == 20
    assert {name.split("/")[0] for name in names} == {"good", "good-2"}


def test_a_folder_named_in_two_ways_counts_once(image_data) -> None:
    test = image_data / "discs" / "test"
    files = find_images([test, image_data / "discs" / "train" / ".." / "test"])
    assert len(files) == 8


def test_missing_images_are_refused(image_data, tmp_path) -> None:
    with pytest.raises(DmadError, match=r"nowhere\.png does not exist; give images or folders"):
        find_images([image_data / "discs" / "test", tmp_path / "nowhere.png"])
    with pytest.raises(DmadError, match="holds no images"):
        find_images([tmp_path])
