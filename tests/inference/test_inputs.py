"""The inputs of a detector: files, Pillow images and arrays of any size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad import load
from dmad.config import ImageDataConfig, VideoDataConfig
from dmad.errors import DmadError
from dmad.forms.images.pictures import judge_image
from dmad.inference.inputs import aspect_of, frames_of_clip, frames_of_pictures, listed

DATA = ImageDataConfig(layout="images", size=32)


@pytest.fixture
def picture(tmp_path) -> Path:
    """A colour image of 90 x 60 pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    path = tmp_path / "part.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_file_an_image_and_an_array_give_the_same_frames(picture) -> None:
    opened = Image.open(picture)
    kinds = [picture, str(picture), opened, np.asarray(opened)]
    frames = frames_of_pictures(kinds, DATA)
    assert frames.shape == (4, 32, 32, 3)
    for frame in frames[1:]:
        np.testing.assert_array_equal(frame, frames[0])
    np.testing.assert_array_equal(frames_of_pictures(picture, DATA), frames[:1])


def test_a_grey_array_gets_the_channels_of_the_model() -> None:
    grey = np.full((40, 50), 7, np.uint8)
    frames = frames_of_pictures([grey, grey[..., None]], DATA)
    assert frames.shape == (2, 32, 32, 3)
    assert (frames == 7).all()


def test_the_proportions_are_those_of_the_original(picture, write_clip, tmp_path) -> None:
    with Image.open(picture) as opened:
        kinds = [picture, str(picture), opened, np.asarray(opened)]
        assert [aspect_of(kind) for kind in kinds] == [1.5] * 4
    assert aspect_of(write_clip(tmp_path / "clip")) == 1
    assert aspect_of(np.zeros((9, 32, 64, 1), np.uint8)) == 1  # frames that were resized


def test_a_single_image_is_a_list_of_one(picture) -> None:
    assert listed(str(picture)) == [str(picture)]
    assert listed((picture, picture)) == (picture, picture)


def test_every_tile_of_an_image_is_a_frame(picture) -> None:
    assert frames_of_pictures(picture, replace(DATA, tiles=2)).shape == (4, 32, 32, 3)


def test_a_folder_of_frames_is_a_clip(write_clip, frames_of, tmp_path) -> None:
    data = VideoDataConfig(layout="video", size=32, channels=1)
    folder = write_clip(tmp_path / "clip", 3, 6)
    np.testing.assert_array_equal(frames_of_clip(str(folder), data), frames_of(3, 6))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("no_such.png", r"no_such\.png cannot be read"),
        ([], "the list of images is empty"),
        (np.zeros((3, 4, 5, 6)), "the image cannot be read"),
        (7, "the image cannot be read"),
    ],
    ids=["file", "nothing", "array", "number"],
)
def test_other_things_are_refused_in_one_line(given, message) -> None:
    with pytest.raises(DmadError, match=message) as error:
        frames_of_pictures(given, DATA)
    assert "\n" not in str(error.value)


def test_the_detector_judges_files_as_the_command_does(trained_images, image_data) -> None:
    detector = load(trained_images)
    files = sorted((image_data / "discs" / "test").glob("*/*.png"))[:3]
    result = detector(files)
    assert len(result.verdict) == len(files)
    for index, file in enumerate(files):
        frames = list(frames_of_pictures(file, detector.config.data))
        expected = judge_image(detector, frames, file.name)
        assert result.score[index] == pytest.approx(expected.score, rel=1e-5)
        assert result.verdict[index] == expected.verdict
