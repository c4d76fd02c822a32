"""Keeps the newest picture of a camera and its last scores, for the pages of the console."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from dmad.data.reading.source_frames import SourceFrame
from dmad.drawing import pictures as drawing
from dmad.forms.video.pictures import ColourScale
from dmad.inference.detector import Detector
from dmad.inference.maps import averaged
from dmad.inference.streaming import JudgedFrame

PERIOD = 0.3  # seconds between two drawn pictures; all pages get the same picture
KEPT_SCORES = 1200  # number of the last scores that are kept
WIDTH = 560  # pixels of a live picture
QUALITY = 75  # of JPEG
LATENCIES = 1000  # number of the last delays that are kept
MINUTES = 3  # in which dropped frames are counted, to find out if the machine is too slow


class LiveView:
    """Keeps what pages show of a camera: the newest picture and the last scores.

    The thread that scores the camera adds frames. Pages read in other threads.

    Args:
        detector: The model, with the threshold of the camera.
    """

    def __init__(self, detector: Detector) -> None:
        self.scale = ColourScale.from_detector(detector)
        self.number = 0  # frames so far
        self.skipped = 0  # frames that were never drawn, because pages get only some per second
        self.scores: deque[tuple[float, float]] = deque(maxlen=KEPT_SCORES)  # time and score
        self.latencies: deque[float] = deque(maxlen=LATENCIES)  # seconds from camera to score
        self.fault = ""  # why the model has failed since the last score
        self._waiting_since = time.monotonic()  # see `seconds_without_score`
        self._counts: deque[tuple[float, int, int]] = deque(maxlen=MINUTES + 1)  # see `add_counts`
        self._newest: tuple[SourceFrame, JudgedFrame | None] | None = None
        self._lock = threading.Lock()  # held while a picture is drawn
        self._drawn: dict[bool, tuple[int, float, bytes]] = {}  # by heat: frame, time and JPEG

    @property
    def score(self) -> float | None:
        """The newest score. None: there is no score yet."""
        return self.scores[-1][1] if self.scores else None

    @property
    def seconds_without_score(self) -> float:
        """Seconds since the latest of: the last score, the first frame, the end of a fault."""
        return time.monotonic() - self._waiting_since

    def add_frame(self, frame: SourceFrame, judged: JudgedFrame | None, live: bool) -> None:
        """Add the next frame, and its score if the frame has one. Returns at once.

        Args:
            frame: The frame.
            judged: The score and the score maps of the frame. None: the frame has no score.
            live: True for a live camera: its times are seconds since 1970. False for a recording.
        """
        self._newest = (frame, judged)
        self.number += 1
        if self.number == 1:
            self._waiting_since = time.monotonic()
        if judged is not None and np.isfinite(judged.score):
            self._waiting_since, self.fault = time.monotonic(), ""
            self.scores.append((judged.time, float(judged.score)))
            if live:
                self.latencies.append(max(0.0, time.time() - judged.time))

    def wait_again(self) -> None:
        """Start to count `seconds_without_score` again, because a fault of the camera has ended."""
        self._waiting_since = time.monotonic()

    def add_counts(self, frames: int, dropped: int) -> None:
        """Store the numbers of frames seen and dropped so far, for `counts_of_last_minutes`.

        Does nothing if the last stored numbers are less than a minute old.
        """
        now = time.monotonic()
        if not self._counts or now - self._counts[-1][0] >= 60:
            self._counts.append((now, frames, dropped))

    def counts_of_last_minutes(self, frames: int, dropped: int) -> tuple[int, int]:
        """Return how many frames were seen and dropped in the last `MINUTES` minutes.

        Args:
            frames: Number of frames seen so far.
            dropped: Number of frames dropped so far.
        """
        _, old_frames, old_dropped = self._counts[0] if self._counts else (0.0, 0, 0)
        return frames - old_frames, dropped - old_dropped

    def scores_since(self, start: float) -> list[tuple[float, float]]:
        """Return times and scores at or after a time."""
        return [(at, score) for at, score in tuple(self.scores) if at >= start]

    def drawn(self, heat: bool) -> bytes | None:
        """Return the last drawn picture as JPEG. This method returns at once.

        The result is None if no picture was drawn yet, or if the last one is out of date and no
        thread draws a new one. In these cases, call `jpeg`.

        Args:
            heat: True: the picture with the scores in colour.
        """
        number, time_drawn, data = self._drawn.get(heat, (0, 0.0, b""))
        if not data:
            return None
        is_new = number == self.number or time.monotonic() - time_drawn < PERIOD
        return data if is_new or self._lock.locked() else None

    def jpeg(self, heat: bool) -> bytes | None:
        """Return the newest picture as JPEG; None if there is none yet.

        All pages share a picture. It is drawn again only if it is older than `PERIOD`.

        Args:
            heat: True: the scores are drawn over the picture in colour.
        """
        if data := self.drawn(heat):
            return data
        with self._lock:
            newest, number = self._newest, self.number
            last, time_drawn, data = self._drawn.get(heat, (0, 0.0, b""))
            now = time.monotonic()
            if newest is None or (data and now - time_drawn < PERIOD):
                return data or None
            self.skipped += number - last - 1
            data = drawing.encoded(self._picture(*newest, heat), "JPEG", quality=QUALITY)
            self._drawn[heat] = (number, now, data)
            return data

    def _picture(
        self, frame: SourceFrame, judged: JudgedFrame | None, heat: bool
    ) -> NDArray[np.uint8]:
        height, width = frame.picture.shape[:2]
        if width > WIDTH or width < WIDTH // 2:
            height, width = max(1, round(height * WIDTH / width)), WIDTH
        picture = drawing.resized(frame.picture, width, height)
        if not heat or judged is None:
            return picture
        maps = (judged.batch.reconstruction_map, judged.batch.deformation_map)
        error, shift = (averaged(one, self.scale.score.kernel)[0] for one in maps)
        strength, _ = self.scale.heat(error, shift)
        return drawing.heatmap(picture, drawing.resized_map(strength, width, height), 1.0)
