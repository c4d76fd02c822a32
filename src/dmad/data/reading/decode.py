"""Frames out of video files and folders of images, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
from PIL import Image

from dmad.data.reading.image_files import Frames, open_image, sampled, upright
from dmad.data.reading.paths import IMAGES, image_files, is_image
from dmad.data.reading.video_files import quarters, rate_told, shrink, video_frames, video_stream
from dmad.data.tiles import cut
from dmad.errors import DmadError, brief, require

LEAST = 8  # pixels on a side; fewer show nothing


def probe(path: Path) -> tuple[float, int]:
    """Frames a second and number of frames, as far as the file tells them; 0 where unknown."""
    if path.is_dir() or is_image(path):
        return 0.0, len(image_files(path)) if path.is_dir() else 1
    try:
        with av.open(str(path)) as container:
            stream = video_stream(container)
            rate = rate_told(stream)
            seconds = (container.duration or 0) / av.time_base
            return rate, stream.frames or round(rate * seconds)
    except (av.FFmpegError, ValueError):
        return 0.0, 0


def aspect(path: Path) -> float:
    """Width by height of the frames of a video or folder; 1 where that cannot be told."""
    try:
        if path.is_dir():
            with Image.open(image_files(path)[0]) as image:
                width, height = image.size
        else:
            frame = next(video_frames(path, lambda line: None))
            sides = (frame.width, frame.height)
            width, height = sides[::-1] if quarters(frame) % 2 else sides
        return width / height
    except (DmadError, OSError, IndexError, ZeroDivisionError):
        return 1.0


def decode(
    path: Path,
    size: int,
    channels: int,
    report: Callable[[str], None] = lambda line: None,
    tiles: int = 1,
    antialias: bool = True,
) -> Iterator[Frames]:
    """Decode a video, a folder of images or a single image, one frame at a time.

    An unreadable image is replaced by the one before it (at the start: by the first readable
    one), so that indices stay right, and so are damaged frames of a video whose frames tell their
    time. A video cut off ends at its last good frame.

    Args:
        path: Video file, folder of frame images, or image.
        size: Height and width in pixels.
        channels: 1 for grey, 3 for colour.
        report: Called with one line for each thing that was damaged.
        tiles: Cut a single image into tiles x tiles frames.
        antialias: Resize videos and folders with antialiasing.

    Returns:
        Frames (size, size, channels), 0 to 255. 16-bit images keep their high byte.

    Raises:
        DmadError: nothing is there, a folder holds no images or a video cannot be opened.
    """
    require(path.exists(), f"{path} does not exist; give a video or a folder of frame images")
    if is_image(path):
        return _decode_images([path], size, channels, report, tiles)
    if not path.is_dir():
        return _decode_video(path, size, channels, report, antialias)
    files = image_files(path)
    require(
        len(files) > 0, f"{path} holds no frame images; expected {', '.join(sorted(IMAGES))} files"
    )
    return _decode_images(files, size, channels, report, antialias=antialias)


def _decode_images(
    files: Sequence[Path],
    size: int,
    channels: int,
    report: Callable[[str], None],
    tiles: int = 1,
    antialias: bool = True,
) -> Iterator[Frames]:
    last: list[Frames] = []
    waiting = 0  # unreadable images before the first readable one
    sizes = set()
    for path in files:
        try:
            last, original = _read_image(path, size, channels, tiles, antialias)
        except Exception as error:  # Pillow raises many kinds on broken files
            stands_in = "a neighbouring frame stands in" if len(files) > 1 else "left out"
            report(f"{path} is unreadable ({brief(error)}): {stands_in}")
            waiting += not last
        else:
            sizes.add(original)
        if last:
            yield from last * (waiting + 1)
            waiting = 0
    if len(sizes) > 1:
        report(f"{files[0].parent} mixes frames of {len(sizes)} sizes: all resized to {size}")


def _read_image(
    path: Path, size: int, channels: int, tiles: int, antialias: bool
) -> tuple[list[Frames], tuple[int, int]]:
    with open_image(path) as opened:
        original = opened.size
        require(min(original) >= LEAST, f"{original[0]} x {original[1]} pixels, too few to judge")
        if antialias:  # a JPEG is decoded no finer than needed
            opened.draft(None, (2 * size * tiles, 2 * size * tiles))
        image = upright(opened, "L" if channels == 1 else "RGB")
        return cut(image, tiles, size) if antialias else [sampled(image, size)], original


def _decode_video(
    path: Path, size: int, channels: int, report: Callable[[str], None], antialias: bool
) -> Iterator[Frames]:
    for frame in video_frames(path, report):
        yield shrink(frame, size, channels, antialias)
