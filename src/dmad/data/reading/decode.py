"""Decodes a video file, a folder of frame images or a single image into frames for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.image_files import deep_values, open_image, read_frames, upright_size
from dmad.data.reading.paths import (
    IMAGE_SUFFIXES,
    image_files,
    is_image,
    is_special,
    require_regular_file,
    shown,
)
from dmad.data.reading.pixel_values import SAMPLED, ValueRange, range_of_one
from dmad.data.reading.video_files import quarter_turns, resize_frame, video_frames
from dmad.data.reading.video_header import read_header
from dmad.errors import DmadError, one_line, require

SAMPLED_FRAMES = 32  # frames of a folder from which its range of pixel values comes


def probe(path: Path, fps: float = 0.0) -> tuple[float, int]:
    """Frames per second and number of frames, found without decoding. Each is 0 if unknown.

    Args:
        path: Video file, folder of frame images, or image.
        fps: Frame rate to return for images, and for a video whose frames have no timestamps. 0:
            return the rate that the video states.
    """
    if path.is_dir():
        return fps, len(image_files(path))
    if is_image(path):
        return fps, 1
    if is_special(path):
        return 0.0, 0
    header = read_header(path)
    return (header.fps if header.has_clock else fps or header.fps), header.frames


def aspect_ratio(path: Path) -> float:
    """Width divided by height of the upright frames of a video or folder; 1 if unknown."""
    try:
        if path.is_dir() or is_image(path):
            first = image_files(path)[0] if path.is_dir() else path
            with open_image(first) as image:
                width, height = upright_size(image)
        else:
            frame = next(video_frames(path, lambda line: None))
            width, height = frame.width, frame.height
            if quarter_turns(frame) % 2:
                width, height = height, width
        return width / height
    except (DmadError, OSError, ValueError, IndexError, ZeroDivisionError):
        return 1.0


def decode(
    path: Path,
    frame_format: FrameFormat,
    report: Callable[[str], None] = lambda line: None,
    report_shift: Callable[[], None] = lambda: None,
    files: Sequence[Path] = (),
    start: int = 0,
) -> Iterator[Frame]:
    """Decode a video, a folder of frame images or a single image, one frame at a time.

    An unreadable image of a folder is replaced by the image before it, so that later frames keep
    their indices. If there is no readable image before it, it is replaced by the first readable
    image. A damaged frame of a video is replaced in the same way if timestamps show its place. A
    video that is cut off ends at its last readable frame.

    Args:
        path: Video file, folder of frame images, or image.
        frame_format: Size and colours of the frames.
        report: Called with one line of text for each damaged frame or file.
        report_shift: Called if frames of a video may be missing and it is not known where.
        files: For a folder: the images to decode. By default, all.
        start: For a folder: index of the first image to decode. The range of pixel values is still
            computed from all images.

    Returns:
        Frames (size, size, channels), 0 to 255.

    Raises:
        DmadError: The path does not exist, the folder has no images or the video cannot be opened.
    """
    require(
        path.exists(), f"{shown(path)} does not exist; give a video or a folder of frame images"
    )
    require_regular_file(path)
    if is_image(path):
        return _decode_images([path], replace(frame_format, antialias=True), report)
    if not path.is_dir():
        frames = video_frames(path, report, report_shift)
        return (resize_frame(frame, frame_format) for frame in frames)
    files = files or image_files(path)
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
    require(len(files) > 0, f"{path} holds no frame images; expected {suffixes} files")
    values = frame_format.values or _range_of_frames(files, frame_format.megapixels)
    return _decode_images(files[start:], replace(frame_format, tiles=1, values=values), report)


def _range_of_frames(files: Sequence[Path], megapixels: float) -> ValueRange | None:
    """One range of pixel values for all frames of a folder; None if their values have 8 bits.

    The range is computed from `SAMPLED_FRAMES` frames.
    """
    found = []
    for index in np.unique(np.linspace(0, len(files) - 1, SAMPLED_FRAMES).astype(int)):
        with (
            suppress(Exception),  # reading the frame reports it
            open_image(files[index], megapixels=megapixels) as image,
        ):
            found.append(deep_values(image, SAMPLED // SAMPLED_FRAMES))
    deep = [values for values in found if values is not None]
    return range_of_one(deep) if deep else None


def _decode_images(
    files: Sequence[Path], frame_format: FrameFormat, report: Callable[[str], None]
) -> Iterator[Frame]:
    frames: list[Frame] = []  # of the last readable image
    unreadable_at_start = 0
    sizes = set()
    for path in files:
        try:
            frames, size = read_frames(path, frame_format)
        except Exception as error:  # Pillow raises many kinds on broken files
            result = "a neighbouring frame replaces it" if len(files) > 1 else "left out"
            report(f"{path} is unreadable ({one_line(error)}): {result}")
            if not frames:
                unreadable_at_start += 1
        else:
            sizes.add(size)
        if frames:
            yield from frames * (unreadable_at_start + 1)
            unreadable_at_start = 0
    if len(sizes) > 1:
        report(
            f"{files[0].parent} mixes frames of {len(sizes)} sizes: "
            f"all resized to {frame_format.size}"
        )
