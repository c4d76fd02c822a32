"""The format of frames follows the settings."""

import pytest

from dmad.config import ImageDataConfig, VideoDataConfig
from dmad.data.reading.frame_format import FrameFormat


def test_video_settings_give_size_colours_and_antialiasing():
    data = VideoDataConfig(size=64, channels=1, antialias=False)
    assert FrameFormat.from_settings(data) == FrameFormat(64, 1, antialias=False, tiles=1)


def test_image_settings_give_tiles_and_colour():
    data = ImageDataConfig(size=64, tiles=3)
    assert FrameFormat.from_settings(data) == FrameFormat(64, 3, antialias=True, tiles=3)


@pytest.mark.parametrize(("channels", "names"), [(1, ("L", "gray")), (3, ("RGB", "rgb24"))])
def test_colours_have_a_name_in_pillow_and_in_ffmpeg(channels, names):
    frame_format = FrameFormat(16, channels)
    assert (frame_format.image_mode, frame_format.pixel_format) == names
