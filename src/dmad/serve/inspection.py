"""The inspection station: one thread judges images, several at once, as good or anomalous."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.calibration.store import CalibrationStore
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.tiles import blend
from dmad.data.zones import ALL
from dmad.drawing.pictures import encoded
from dmad.errors import DmadError
from dmad.files import write_atomically
from dmad.forms.images.pictures import ImagePictures
from dmad.inference.detector import Detector
from dmad.inference.maps import box_of_maximum
from dmad.inference.result import AnomalyResult
from dmad.serve.event_rows import day_of
from dmad.serve.models import Model, OwnThreshold, ThresholdChange
from dmad.serve.part_rows import PARTS
from dmad.serve.uploads import Upload
from dmad.watch.messages import Box

logger = logging.getLogger(__name__)

BATCH = 8  # images that are judged together
MOST_WAITING = 64  # images; more are refused
ANSWER = 60.0  # seconds in which an image must be judged
QUALITY = 82  # of WebP pictures


class BusyError(DmadError):
    """The console is busy: too many images wait, or a film is being scored. Try again later."""


@dataclass(frozen=True, eq=False)
class JudgedPart:
    """The scores and the verdict of one part. Each image shows one part."""

    score: float  # calibrated if there is a threshold, else raw
    threshold: float | None
    verdict: str  # "good" or "anomalous"; empty without a threshold
    raw: float  # Eq. 22
    reconstruction: float
    deformation: float
    map: NDArray[np.float32]  # (H, W): Eq. 23
    box: Box  # of the largest value in the map, as shares of width and height


def judge_parts(detector: Detector, parts: Sequence[Sequence[Frame]]) -> list[JudgedPart]:
    """Return the scores and the verdicts of several parts.

    Args:
        detector: A model of images.
        parts: For each part its image as a list of tiles. A list of one tile is a whole image.
    """
    calibration, config = detector.calibration, detector.config
    tiles = config.data.tiles**2
    zone = calibration.zone if calibration else ALL
    frames = [frame for part in parts for frame in part]
    batches = [detector.inside(zone, judged) for judged in detector.judge(frames, "", BATCH)]
    result = AnomalyResult.from_batches(batches, 0).highest_of(tiles, config.score.alpha)
    if calibration:
        result = result.with_threshold(calibration, "images")
    maps = np.concatenate([detector.pixel_scores(judged) for judged in batches])
    judged_parts = []
    for k in range(len(parts)):
        whole = blend(maps[k * tiles : (k + 1) * tiles], config.data.canvas)
        judged_parts.append(
            JudgedPart(
                score=float(result.score[k]),
                threshold=calibration.threshold if calibration else None,
                verdict="" if result.verdict is None else str(result.verdict[k]),
                raw=float(result.raw[k]),
                reconstruction=float(result.reconstruction[k]),
                deformation=float(result.deformation[k]),
                map=whole,
                box=box_of_maximum(whole),
            )
        )
    return judged_parts


class Station:
    """Judges images with one model.

    Args:
        model: A model of images.
        folder: The folder of the console.
    """

    def __init__(self, model: Model, folder: Path) -> None:
        self.model, self.folder = model, folder / PARTS
        self.threshold = OwnThreshold(model, f"parts-{model.name}", folder)
        self.format = FrameFormat.from_settings(model.detector.config.data)
        self.judged = 0  # number of images
        self.refused = 0  # number of images that were refused, because too many waited
        self.seconds: deque[float] = deque(maxlen=1000)  # from arrival to result, of each image
        self._use(self.threshold.calibration)
        self._queue: queue.Queue[tuple[Upload, Future[JudgedPart], float] | None] = queue.Queue(
            MOST_WAITING
        )
        self._thread = threading.Thread(target=self._work, name="inspection", daemon=True)
        self._thread.start()

    @property
    def calibration(self) -> Calibration | None:
        """The calibration in use. None: the model has no threshold."""
        return self._detector.calibration

    @property
    def waiting(self) -> int:
        """The number of images that wait to be judged."""
        return self._queue.qsize()

    def judge(self, upload: Upload) -> JudgedPart:
        """Judge an image, and wait for the result.

        Raises:
            BusyError: Too many images wait.
        """
        result: Future[JudgedPart] = Future()
        try:
            self._queue.put_nowait((upload, result, time.monotonic()))
        except queue.Full:
            self.refused += 1
            raise BusyError(f"{MOST_WAITING} images wait already; send it again later") from None
        return result.result(ANSWER)

    def choose(self, threshold: float) -> ThresholdChange:
        """Use another threshold from the next image on, and store it."""
        change = self.threshold.choose(threshold)
        self._use(self.threshold.calibration)
        return change

    def undo(self) -> ThresholdChange:
        """Go back to the threshold before the last change."""
        change = self.threshold.undo()
        self._use(self.threshold.calibration)
        return change

    def good_scores(self) -> NDArray[np.float64]:
        """Return the scores of the good images that the threshold was set on; empty if unknown."""
        calibration = self.model.detector.calibration
        if calibration is None:
            return np.zeros(0)
        try:
            held, _ = CalibrationStore(self.model.files).read_terms()
        except (DmadError, OSError):
            return np.zeros(0)
        return np.asarray(calibration.score(held.reconstruction, held.deformation), float)

    def keep(self, upload: Upload, part: JudgedPart) -> tuple[str, str]:
        """Store two pictures of a part: without and with its heat (scores in colour).

        Return the two file names in this order.
        """
        name = f"{day_of(time.time())}/{token_hex(8)}"
        heat = self._pictures.overlay(upload.picture, part.map)
        names = f"{name}.webp", f"{name}-heat.webp"
        for each, picture in zip(names, (upload.picture, heat), strict=True):
            content = encoded(picture, "WebP", quality=QUALITY, method=2)
            write_atomically(self.folder / each, content, private=True)
        return names

    def heat(self, upload: Upload, part: JudgedPart) -> NDArray[np.uint8]:
        """Return the picture of a part with its heat (scores in colour), (h, w, 3)."""
        return self._pictures.overlay(upload.picture, part.map)

    def close(self) -> None:
        """Stop the thread. Images that wait are still judged."""
        self._queue.put(None)
        self._thread.join(ANSWER)

    def _use(self, calibration: Calibration | None) -> None:
        self._detector = self.model.detector.with_calibration(calibration)
        self._pictures = ImagePictures(self._detector)

    def _work(self) -> None:
        stopping = False
        while not stopping:
            batch = [self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            stopping = None in batch
            self._judge_batch([item for item in batch if item is not None])

    def _judge_batch(self, batch: Sequence[tuple[Upload, Future[JudgedPart], float]]) -> None:
        if not batch:
            return
        try:
            results = judge_parts(self._detector, [upload.frames for upload, _, _ in batch])
        except Exception as error:
            logger.exception("images could not be judged")
            for _, future, _ in batch:
                future.set_exception(error)
            return
        now = time.monotonic()
        self.judged += len(batch)
        for (_, future, arrived), result in zip(batch, results, strict=True):
            self.seconds.append(now - arrived)
            future.set_result(result)
