"""Writes annotated images as a video file. If writing fails, no incomplete file is left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dmad.drawing.pictures import to_rgb
from dmad.errors import require
from dmad.files import unfinished_path

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi")

_H264 = ("libx264", {"crf": "18", "preset": "veryfast"})

_MPEG4 = ("mpeg4", {"qmin": "2", "qmax": "5"})


class VideoWriter:
    """Writes images as a video. Use it in a `with` statement.

    The codec is H.264. If FFmpeg has no encoder for H.264, the codec is MPEG-4.

    The video is written under a temporary name. It is renamed when the `with` statement ends
    without an exception. After an exception, or if there was no image, the temporary file is
    deleted, and an earlier video of this name is not changed. Only the user who runs this process
    can read the video.

    Args:
        path: Video to write. Its suffix is one of `SUFFIXES` and decides the container format.
        fps: Images per second, above 0.

    Raises:
        DmadError: The suffix or `fps` is not allowed.
    """

    def __init__(self, path: Path | str, fps: float) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        require(
            suffix in SUFFIXES,
            f"cannot write {self.path}; its name must end with {' or '.join(SUFFIXES)}",
        )
        require(fps > 0, f"fps is {fps}; give a number above 0")
        self.fps = max(Fraction(fps).limit_denominator(1001), Fraction(1, 1001))
        self._part = unfinished_path(self.path.parent, suffix)
        self._container: av.container.OutputContainer | None = None
        self._stream: Any = None
        self._shape: tuple[int, int] = (0, 0)
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def write(self, image: NDArray[np.uint8]) -> None:
        """Add an image (H, W), (H, W, 1) or (H, W, 3), uint8. All images must have the same size.

        One pixel is added to an odd height or width, because the codec needs even numbers. After
        an error, the video is deleted when it is closed.

        Raises:
            DmadError: The image has another size than the first image, or writing an earlier
                image has failed.
            OSError: The video cannot be written, for example because the disk is full.
        """
        require(not self._failed, f"{self.path} cannot be continued after an error")
        shape = image.shape[:2]
        if self._container is None:
            self._open(*shape)
        require(
            shape == self._shape,
            f"the image is {shape}, but the first image was {self._shape}; resize it",
        )
        self._encode(av.VideoFrame.from_ndarray(_padded_to_even(to_rgb(image)), format="rgb24"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(complete=kind is None)

    def close(self, complete: bool = True) -> None:
        """Finish the video and rename it, or delete it if `complete` is false."""
        if self._container is None:
            return
        try:
            self._finish(self._container, complete)
        finally:
            self._part.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        codec, options = _H264 if "libx264" in av.codecs_available else _MPEG4
        self._shape = (height, width)
        os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            # FFmpeg takes the start of a relative path, such as 16:00/film.mp4, for a protocol
            self._container = av.open(os.path.abspath(self._part), "w")
        except av.FFmpegError:
            self._part.unlink(missing_ok=True)
            raise
        self._stream = self._container.add_stream(codec, rate=self.fps, options=options)
        self._stream.pix_fmt = "yuv420p"
        self._stream.height, self._stream.width = height + height % 2, width + width % 2

    def _encode(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, av.FFmpegError):
            self._failed = True  # FFmpeg crashes if a file without its beginning is continued
            raise

    def _finish(self, container: av.container.OutputContainer, complete: bool) -> None:
        with container:
            if complete and not self._failed:
                self._encode(None)
        if complete and not self._failed:
            os.replace(self._part, self.path)


def annotate(image: NDArray[np.uint8], lines: Sequence[str], size: int = 0) -> NDArray[np.uint8]:
    """Draw lines of text into the upper left corner of an image, white on a dark background.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), uint8. Text is readable in images of at least about
            128 pixels.
        lines: Lines of text, such as the score, the frame and the time. The list may be empty.
        size: Size of the letters in pixels. 0 chooses a size for the height of the image.

    Returns:
        A new image (H, W, 3), uint8 RGB.
    """
    canvas = Image.fromarray(to_rgb(image))
    if lines:
        _draw_text(canvas, "\n".join(lines), size or max(10, len(image) // 18))
    return np.asarray(canvas)


def _draw_text(canvas: Image.Image, text: str, size: int) -> None:
    draw = ImageDraw.Draw(canvas, "RGBA")
    font, margin = _font(size), size // 3
    _, _, right, bottom = draw.multiline_textbbox((margin, margin), text, font=font)
    draw.rectangle((0, 0, right + margin, bottom + margin), fill=(0, 0, 0, 170))
    draw.multiline_text((margin, margin), text, font=font, fill=(255, 255, 255, 255))


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _padded_to_even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
