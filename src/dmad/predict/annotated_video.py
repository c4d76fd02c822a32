"""Writes the annotated video of a clip: heat map on the left, deformation on the right, score."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dmad.drawing.pictures import to_rgb
from dmad.drawing.video_writer import VideoWriter, annotate
from dmad.errors import one_line
from dmad.forms.video.pictures import Picture

logger = logging.getLogger(__name__)

LEAST_HEIGHT = 256  # pixels, so that the text does not cover everything
ALARM_COLOUR = (255, 40, 40)
BORDER = 4  # pixels

Pixels = NDArray[np.uint8]


class AnnotatedVideo(VideoWriter):
    """Writes the frames of a clip with their scores. Use it in a `with` statement.

    If the video cannot be written, for example because the disk is full, there is one warning and
    no file. No error is raised.

    Args:
        path: The video to write.
        fps: Frames per second.
        aspect_ratio: Width divided by height of the original clip. The model's frames are square.
        threshold: A frame whose calibrated score reaches it gets a red border. None: raw scores
            are shown.
        warn: Called with the warning.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        aspect_ratio: float = 1.0,
        threshold: float | None = None,
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        super().__init__(path, fps)
        self.complete = True  # False after an error
        self._aspect_ratio, self._threshold, self._warn = aspect_ratio, threshold, warn

    def add_unscored(self, frame: Pixels, index: int, time: float) -> None:
        """Add a frame (H, W, C) without a score: it has too few frames before it."""
        self._add(frame, frame, [_clock(index, time), "no score yet"], [])

    def add_scored(self, picture: Picture, time: float, calibrated: float = float("nan")) -> None:
        """Add a scored frame.

        Args:
            picture: The pictures of the frame.
            time: Its time in seconds.
            calibrated: Its calibrated score; not used without a threshold.
        """
        score, is_alarm = f"score {picture.score:.3f}", False
        if self._threshold is not None:
            score = f"score {calibrated:.1f}, threshold {self._threshold:.1f}"
            is_alarm = calibrated >= self._threshold
        self._add(
            picture.heat,
            picture.arrows,
            [_clock(picture.index, time), score],
            [f"bent by up to {picture.bend:.2f} px"],
            is_alarm,
        )

    def close(self, complete: bool = True) -> None:
        """Finish the file. It is removed if it is not complete."""
        with self._errors_as_warning():
            super().close(complete and self.complete)

    def _add(
        self,
        left: Pixels,
        right: Pixels,
        left_text: Sequence[str],
        right_text: Sequence[str],
        is_alarm: bool = False,
    ) -> None:
        if not self.complete:
            return
        image = np.hstack(
            [annotate(self._resize(left), left_text), annotate(self._resize(right), right_text)]
        )
        if is_alarm:
            inside = image[BORDER:-BORDER, BORDER:-BORDER].copy()
            image[:] = ALARM_COLOUR
            image[BORDER:-BORDER, BORDER:-BORDER] = inside
        with self._errors_as_warning():
            self.write(image)

    @contextmanager
    def _errors_as_warning(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            if self.complete:
                self._warn(f"no video {self.path}: {one_line(error)}")
            self.complete = False

    def _resize(self, image: Pixels) -> Pixels:
        height = max(LEAST_HEIGHT, len(image))
        size = round(height * self._aspect_ratio), height
        return np.asarray(Image.fromarray(to_rgb(image)).resize(size, Image.Resampling.BILINEAR))


def _clock(index: int, time: float) -> str:
    return f"frame {index}, {time:.1f} s"
