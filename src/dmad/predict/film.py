"""The annotated video of a clip: heat on the left, deformation on the right, and the verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from dmad.calibration.calibration import Calibration
from dmad.drawing.pictures import rgb
from dmad.drawing.video_writer import VideoWriter, annotate
from dmad.errors import brief
from dmad.forms.video.pictures import Image, Picture

logger = logging.getLogger(__name__)

HEIGHT = 256  # pixels at least, so that the text leaves something to see

ALARM, BORDER = (255, 40, 40), 4  # colour, and width in pixels


class Film(VideoWriter):
    """Writes the judged frames of a clip, to be used in a `with` statement.

    Args:
        path: Video to write.
        fps: Frames a second.
        aspect: Width by height of the clip as it was filmed; the model sees squares.
        calibration: Its score is shown, and a red border from its threshold on; the raw score of
            Eq. 14 where None.
        report: Called with one line where it cannot be written, as on a full disk; the film then
            ends, and nothing else does.
        second: When a frame was, where that is not its number by `fps`.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        aspect: float = 1.0,
        calibration: Calibration | None = None,
        report: Callable[[str], None] = logger.warning,
        second: Callable[[int], float] | None = None,
    ) -> None:
        super().__init__(path, fps)
        self._aspect, self._report = aspect, report
        self._second = second or (lambda index: index / fps)
        self.whole = True  # so far
        self._level = calibration.threshold if calibration else np.inf
        self._count = 0  # frames written
        self._calibration = calibration
        self._begin()

    def unjudged(self, frame: Image) -> None:
        """One of the first frames (H, W, C), or of those behind a hole, which have no past."""
        self._begin()
        self._write(frame, frame, [self._clock(self._count), "no past yet"], [])

    def judged(self, picture: Picture, reconstruction: float, deformation: float) -> None:
        """A judged frame, and both its terms."""
        score, shown = picture.score, f"score {picture.score:.3f}"
        if self._live:
            score = self._live(reconstruction, deformation)
            shown = f"score {score:.1f}, threshold {self._level:.1f}"
        left, right = [self._clock(picture.index), shown], [f"bent by up to {picture.bend:.2f} px"]
        self._write(picture.heat, picture.arrows, left, right, score >= self._level)

    def _begin(self) -> None:
        """What follows has no past."""
        self._live = self._calibration.live() if self._calibration else None

    def _clock(self, index: int) -> str:
        return f"frame {index}, {self._second(index):.1f} s"

    def _write(
        self, left: Image, right: Image, told: list[str], more: list[str], alarm: bool = False
    ) -> None:
        self._count += 1
        if not self.whole:
            return
        halves = [annotate(self._enlarged(x), t) for x, t in ((left, told), (right, more))]
        frame = np.hstack(halves)
        if alarm:
            inside = frame[BORDER:-BORDER, BORDER:-BORDER].copy()
            frame[:] = ALARM
            frame[BORDER:-BORDER, BORDER:-BORDER] = inside
        with self._noting():
            self.write(frame)

    def close(self, complete: bool = True) -> None:
        """As any writer; a film that is not whole leaves nothing."""
        with self._noting():
            super().close(complete and self.whole)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            if self.whole:
                self._report(f"no film {self.path}: {brief(error)}")
            self.whole = False

    def _enlarged(self, image: Image) -> NDArray[np.uint8]:
        height = max(HEIGHT, len(image))
        size = round(height * self._aspect), height
        return np.asarray(Pillow.fromarray(rgb(image)).resize(size, Pillow.Resampling.BILINEAR))
