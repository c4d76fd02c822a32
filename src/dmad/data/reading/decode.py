"""Decodes a video file, a folder of frame images or a single image into frames for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av

from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.image_files import open_image, resize_without_antialiasing, upright
from dmad.data.reading.paths import IMAGE_SUFFIXES, image_files, is_image
from dmad.data.reading.video_files import (
    quarter_turns,
    resize_frame,
    stated_rate,
    video_frames,
    video_stream,
)
from dmad.data.tiles import cut_tiles
from dmad.errors import DmadError, one_line, require

SMALLEST = 8  # pixels; images with a shorter side are refused


def probe(path: Path) -> tuple[float, int]:
    """Frames per second and number of frames from the header of a file; 0 if unknown."""
    if path.is_dir():
        return 0.0, len(image_files(path))
    if is_image(path):
        return 0.0, 1
    try:
        with av.open(str(path)) as container:
            stream = video_stream(container)
            rate = stated_rate(stream)
            seconds = (container.duration or 0) / av.time_base
            return rate, stream.frames or round(rate * seconds)
    except (av.FFmpegError, ValueError):
        return 0.0, 0


def aspect_ratio(path: Path) -> float:
    """Width divided by height of the frames of a video or folder, upright; 1 if unknown."""
    try:
        if path.is_dir():
            with open_image(image_files(path)[0]) as image:
                width, height = image.size
        else:
            frame = next(video_frames(path, lambda line: None))
            width, height = frame.width, frame.height
            if quarter_turns(frame) % 2:
                width, height = height, width
        return width / height
    except (DmadError, OSError, IndexError, ZeroDivisionError):
        return 1.0


def decode(
    path: Path, frame_format: FrameFormat, report: Callable[[str], None] = lambda line: None
) -> Iterator[Frame]:
    """Decode a video, a folder of frame images or a single image, one frame at a time.

    An unreadable image is replaced by the image before it, so that later frames keep their
    indices. At the start it is replaced by the first readable image. A damaged frame of a video is
    replaced in the same way if the frames have timestamps. A video that is cut off ends at its
    last readable frame.

    Args:
        path: Video file, folder of frame images, or image.
        frame_format: Size and colours of the frames.
        report: Called with one line for each damaged frame or file.

    Returns:
        Frames (size, size, channels), 0 to 255.

    Raises:
        DmadError: The path does not exist, the folder has no images or the video cannot be opened.
    """
    require(path.exists(), f"{path} does not exist; give a video or a folder of frame images")
    if is_image(path):
        return _decode_images([path], replace(frame_format, antialias=True), report)
    if not path.is_dir():
        return (resize_frame(frame, frame_format) for frame in video_frames(path, report))
    files = image_files(path)
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
    require(len(files) > 0, f"{path} holds no frame images; expected {suffixes} files")
    return _decode_images(files, replace(frame_format, tiles=1), report)


def _decode_images(
    files: Sequence[Path], frame_format: FrameFormat, report: Callable[[str], None]
) -> Iterator[Frame]:
    frames: list[Frame] = []  # of the last readable image
    unreadable_at_start = 0
    sizes = set()
    for path in files:
        try:
            frames, size = _read_image(path, frame_format)
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


def _read_image(path: Path, frame_format: FrameFormat) -> tuple[list[Frame], tuple[int, int]]:
    """The frames of an image file, one for each tile, and its width and height as stored."""
    size, tiles = frame_format.size, frame_format.tiles
    with open_image(path) as opened:
        width, height = opened.size
        require(min(width, height) >= SMALLEST, f"{width} x {height} pixels are too few")
        if frame_format.antialias:  # Pillow may decode a large JPEG at a lower resolution
            opened.draft(None, (2 * size * tiles, 2 * size * tiles))
        image = upright(opened, frame_format.image_mode)
        if frame_format.antialias:
            frames = cut_tiles(image, tiles, size)
        else:
            frames = [resize_without_antialiasing(image, size)]
        return frames, (width, height)
