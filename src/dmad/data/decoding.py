"""Frames out of video files and folders of images, one at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dmad.data.tiles import cut
from dmad.errors import DmadError, require

VIDEOS = frozenset((".avi", ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv",
                    ".flv", ".ts", ".mts", ".m2ts", ".3gp"))  # fmt: skip
IMAGES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"))
LEAST = 8  # pixels on a side; fewer show nothing

Frames = NDArray[np.uint8]


def natural(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts `frame2` before `frame10`."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def own_name(path: Path) -> str:
    """What a file or folder is called where it lies, also by `.` and `..`."""
    return Path(os.path.abspath(path)).name or "root"


def image_files(folder: Path) -> list[Path]:
    """Images right inside a folder, in natural order, without hidden files."""
    return sorted((path for path in folder.iterdir() if is_image(path)), key=natural)


def holds_images(folder: Path) -> bool:
    """Whether images lie right inside a folder."""
    return any(is_image(path) for path in folder.iterdir())


def holds_frames(folder: Path) -> bool:
    """Whether a folder that is given is a clip by itself: images and no videos beside them."""
    return holds_images(folder) and not any(p.suffix.lower() in VIDEOS for p in folder.iterdir())


def is_image(path: Path) -> bool:
    """Whether a path is named like an image and not hidden."""
    return path.suffix.lower() in IMAGES and not path.name.startswith(".")


def probe(path: Path) -> tuple[float, int]:
    """Frames a second and number of frames as the file promises them; 0 where unknown."""
    if path.is_dir() or is_image(path):
        return 0.0, len(image_files(path)) if path.is_dir() else 1
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return float(stream.average_rate or 0), stream.frames
    except (av.FFmpegError, IndexError):
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
    one), so that indices stay right. A damaged video ends at its last good frame.

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
        fine = 2 * size * tiles
        opened.draft(None, (fine, fine))  # a JPEG is decoded no finer than needed
        image = upright(opened, "L" if channels == 1 else "RGB")
        return cut(image, tiles, size) if antialias else [sampled(image, size)], original


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """An image file, however large."""
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def upright(image: Image.Image, mode: str) -> Image.Image:
    """An image as `mode` L or RGB, turned as its EXIF says, black where it is transparent.

    Of more than 8 bits the highest 8 are kept: of 12 where no value needs more, else of 16.
    """
    require(image.mode != "F", "its pixels are fractions; save it with 8 or 16 bits")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # which Pillow would clip
        values = np.asarray(image).astype(np.int64)
        top = values.max()
        spare = 0 if top < 2**8 else 4 if top < 2**12 else 8
        image = Image.fromarray((values >> spare).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "black"), seen)
    return image.convert(mode)


def sampled(image: Image.Image, size: int) -> Frames:
    """Resize without antialiasing, as the released loaders do: (size, size, C).

    Each pixel is interpolated between the four nearest, so that thin things stay sharp.
    """
    across, down = image.width / size, image.height / size
    small = image.transform(
        (size, size),
        Image.Transform.AFFINE,
        (across, 0, 0, 0, down, 0),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(small).reshape(size, size, -1)


def _decode_video(
    path: Path, size: int, channels: int, report: Callable[[str], None], antialias: bool
) -> Iterator[Frames]:
    for frame in video_frames(path, report):
        yield shrink(frame, size, channels, antialias)


def video_frames(path: Path, report: Callable[[str], None]) -> Iterator[av.VideoFrame]:
    """The frames of a video as they were stored; damaged ones are left out.

    Args:
        path: Video file.
        report: Called with one line where frames are missing.

    Raises:
        DmadError: Not one frame can be read.
    """
    count, promised, bad = 0, 0, []
    try:
        with av.open(str(path)) as container:
            require(container.format.name != "tty", f"{path} is no video, but text")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            promised = stream.frames
            for packet in container.demux(stream):
                try:
                    for frame in packet.decode():
                        yield frame
                        count += 1
                except av.FFmpegError as error:
                    bad.append(brief(error))
    except (av.FFmpegError, IndexError) as error:
        require(count > 0, f"{path} is not a readable video ({brief(error)})")
        report(f"{path} is damaged after frame {count} ({brief(error)}): the rest is left out")
    else:
        why = bad[0] if bad else "it holds no frame"
        require(count > 0, f"{path} is not a readable video ({why})")
        if bad:
            report(f"{path}: {len(bad)} damaged pieces left out ({why})")
        elif count < promised:
            report(f"{path} promises {promised} frames and holds {count}: the rest is left out")


def shrink(frame: av.VideoFrame, size: int, channels: int, antialias: bool = True) -> Frames:
    """A decoded frame as models take it: (size, size, channels)."""
    pixels, small = "gray" if channels == 1 else "rgb24", frame
    if antialias:
        small = frame.reformat(size, size, pixels, interpolation="BILINEAR")
    image = turned(np.asarray(small.to_ndarray(format=pixels), np.uint8), frame)
    if antialias:
        return image.reshape(size, size, channels)
    return sampled(Image.fromarray(image), size)


def turned(image: Frames, frame: av.VideoFrame) -> Frames:
    """An image (H, W, ...) of a frame, turned upright as its video says, as those of phones do."""
    return np.ascontiguousarray(np.rot90(image, quarters(frame)))


def quarters(frame: av.VideoFrame) -> int:
    """Quarter turns to the left by which a frame is upright; none of a mirrored one."""
    turns = round(frame.rotation / 90)
    if not turns:
        return 0
    told = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    matrix = np.frombuffer(told, np.int32)
    return turns if np.linalg.det(matrix.reshape(3, 3)[:2, :2].astype(float)) > 0 else 0


def brief(error: BaseException) -> str:
    """What an exception says, in one line."""
    if isinstance(error, av.FFmpegError):
        return error.strerror or type(error).__name__
    if isinstance(error, IndexError):  # of the list of video streams
        return "it holds no video"
    return " ".join(str(error).split()) or type(error).__name__
