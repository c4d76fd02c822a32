"""Writes the annotated video of a clip: the heat map on the left, the deformation on the right."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from dmad.drawing.pictures import legend_row, resized
from dmad.drawing.video_writer import VideoWriter, annotate
from dmad.errors import one_line
from dmad.forms.video.pictures import (
    DEFORMATION,
    HEAT,
    ColourScale,
    Picture,
    clock,
    true_size,
)

logger = logging.getLogger(__name__)

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
        scale: The colour of each value, and the threshold. A legend of the colours is below each
            frame. If the calibrated score of a frame reaches the threshold, the frame gets a red
            border.
        aspect_ratio: Width divided by height of the original clip. The model's frames are square.
        warn: Called with the warning.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        scale: ColourScale,
        aspect_ratio: float = 1.0,
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        super().__init__(path, fps)
        self.complete = True  # False after an error
        self._scale, self._aspect_ratio, self._warn = scale, aspect_ratio, warn
        self._legend: Pixels | None = None  # (height, width, 3), the same for all frames

    def add_unscored(self, frame: Pixels, index: int, time: float) -> None:
        """Add a frame (H, W, C) without a score: it has too few frames before it."""
        picture = resized(frame, *true_size(len(frame), self._aspect_ratio))
        self._add(annotate(picture, [clock(index, time), "no score yet"]), picture)

    def add_scored(self, picture: Picture) -> None:
        """Add a scored frame, with its time and, if there is a threshold, its calibrated score."""
        threshold = self._scale.threshold
        is_alarm = threshold is not None and picture.calibrated >= threshold
        self._add(
            annotate(picture.heat, picture.label().split("\n")), picture.deformation, is_alarm
        )

    def close(self, complete: bool = True) -> None:
        """Finish the file, or remove it if it is not complete."""
        with self._errors_as_warning():
            super().close(complete and self.complete)

    def _add(self, left: Pixels, right: Pixels, is_alarm: bool = False) -> None:
        if not self.complete:
            return
        image = np.hstack([left, right])
        if is_alarm:
            inside = image[BORDER:-BORDER, BORDER:-BORDER].copy()
            image[:] = ALARM_COLOUR
            image[BORDER:-BORDER, BORDER:-BORDER] = inside
        with self._errors_as_warning():
            self.write(np.vstack([image, self._legends(left.shape[1])]))

    @contextmanager
    def _errors_as_warning(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            if self.complete:
                self._warn(f"{self.path} is not written: {one_line(error)}")
            self.complete = False

    def _legends(self, width: int) -> Pixels:
        """Return the legends of heat and deformation, each of this width, side by side."""
        if self._legend is None:
            self._legend = legend_row((HEAT, DEFORMATION), self._scale.legends(), width)
        return self._legend
