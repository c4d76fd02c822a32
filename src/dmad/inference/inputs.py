"""Makes frames from the input of a detector: arrays, files or Pillow images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmad.config import DataConfig
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.errors import DmadError, one_line, require

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | Path | Image | np.ndarray"  # a file, or the image itself
Given: TypeAlias = "Picture | Sequence[Picture]"


def frames_of_clip(given: Given, data: DataConfig) -> NDArray[np.uint8]:
    """Return the frames (N, H, W, C) of a video file or a folder of frames.

    An array is returned unchanged.

    Raises:
        DmadError: The file cannot be read, or `given` is something else.
    """
    if isinstance(given, np.ndarray):
        return given
    require(
        isinstance(given, str | Path),
        f"the clip is of type {type(given).__name__}; give an array, a video file or a folder of "
        "frames",
    )
    from dmad.data.reading.decode import decode

    assert isinstance(given, str | Path)
    frames = list(decode(Path(given), FrameFormat.from_settings(data)))
    require(bool(frames), f"{given} holds no frames that can be read")
    return np.stack(frames)


def frames_of_pictures(given: Given, data: DataConfig) -> NDArray[np.uint8]:
    """Return the frames (N, H, W, C) of one or several images.

    If the model cuts images into tiles, each tile is a frame.

    Args:
        given: An image or a list of images: files, Pillow images, or arrays (H, W) or (H, W, C) of
            any size with 8 or 16 bits.
        data: The settings of the model.

    Raises:
        DmadError: An image cannot be read.
    """
    pictures = listed(given)
    require(len(pictures) > 0, "the list of images is empty")
    frame_format = FrameFormat.from_settings(data)
    return np.stack([frame for one in pictures for frame in _frames_of(one, frame_format)])


def listed(given: Given) -> Sequence[Picture]:
    """Return images as a list, also if there is only one."""
    return [given] if isinstance(given, str) or not isinstance(given, Sequence) else given


def aspect_of(given: Given) -> float:
    """Return width divided by height of a clip or an image; 1 if it is unknown.

    Args:
        given: The input of a detector. The ratio is unknown for an array (N, H, W, C) of frames,
            because the user has resized them.
    """
    if isinstance(given, str | Path):
        from dmad.data.reading.decode import aspect_ratio

        return aspect_ratio(Path(given))
    if isinstance(given, np.ndarray):
        return 1.0 if given.ndim == 4 else given.shape[1] / given.shape[0]
    size = getattr(given, "size", (1, 1))  # of a Pillow image
    return float(size[0] / size[1])


def _frames_of(picture: Picture, frame_format: FrameFormat) -> list[Frame]:
    from PIL import Image

    from dmad.data.reading.image_files import frames_of_image, read_frames

    name = "the image"
    try:
        if isinstance(picture, str | Path):
            name = str(picture)
            return read_frames(Path(picture), frame_format)[0]
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture.squeeze(-1) if _is_grey(picture) else picture)
        return frames_of_image(picture, frame_format)
    except Exception as error:  # Pillow raises many kinds
        raise DmadError(f"{name} cannot be read: {one_line(error)}") from error


def _is_grey(picture: np.ndarray) -> bool:
    return picture.ndim == 3 and picture.shape[-1] == 1
