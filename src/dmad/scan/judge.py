"""Judges the tasks of a scan. Each worker makes one `Judge`, which loads the model once."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import nan
from pathlib import Path

from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.image_files import allow_large_images, page_indices, read_frames
from dmad.data.reading.video_files import DamagedError
from dmad.errors import DmadError, one_line
from dmad.hardware import set_process_defaults
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult, JudgedFrames
from dmad.inference.streaming import JudgedFrame, judge_clip
from dmad.inference.warnings import rate_warnings, view_warnings
from dmad.scan.addresses import is_address, printable_path, readable_path
from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.clock import recorded_at
from dmad.scan.cutting import Cutter, outcome_of
from dmad.scan.film import ReadFrame, Stretch, read_stretch
from dmad.scan.film import read_frames as read_source
from dmad.scan.parts import PartInfo, PartWriter, SourceOutcome, part_path, read_info
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings
from dmad.scan.views import ModelCard, View

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
BATCH = 8  # frames that are scored together
CHANGED = "it changed while it was read; resume the scan to judge it"


@dataclass(frozen=True)
class TaskReport:
    """What a worker reports about a task. The scores are in the result file of the task."""

    task: Task
    info: PartInfo
    failed: tuple[SourceOutcome, ...] = ()  # sources that may succeed at the next scan


@dataclass
class Pace:
    """Limits the number of frames per second.

    Args:
        rate: Frames per second; 0: no limit.
    """

    rate: float
    _due: float = field(default=0.0)

    def wait(self, frames: int = 1) -> None:
        """Wait until the next frames may be judged. `frames` is their number."""
        if not self.rate:
            return
        now = time.monotonic()
        self._due = max(self._due, now) + frames / self.rate
        time.sleep(max(0.0, self._due - now - 1.0))  # the frames of a second may come at once


class Judge:
    """Judges tasks with one model, and writes a result file for each task.

    Args:
        settings: The settings.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        from dmad import api

        self.settings = settings
        self.model = ModelCard.read(settings.run)
        self.views = settings.views(self.model)
        self.detector = self._load(api.load)
        self.cutter = Cutter(self.model, self.views, settings.stretch)
        self.pace = Pace(settings.rate)
        self.format = FrameFormat.from_settings(self.detector.config.data)

    def _load(self, load) -> Detector:  # type: ignore[no-untyped-def]
        settings = self.settings
        uses_torch = True
        if settings.own_process:
            allow_large_images()
            uses_torch = set_up_torch(settings)
        detector: Detector = load(
            settings.run,
            device=settings.device if uses_torch else None,
            fast=settings.fast,
            threads=settings.threads,
        )
        return detector

    def judge(self, task: Task) -> TaskReport:
        """Judge a task, and write its result file. A source that cannot be read is left out."""
        path = part_path(self.settings.parts, task.name)
        is_video = self.detector.form.judges == "frames"
        if path.exists():  # an earlier worker wrote it, and was killed then
            return TaskReport(task, read_info(path))
        with PartWriter(path) as writer:
            info = self._clip(task, writer) if is_video else self._images(task, writer)
            failed = tuple(one for one in info.sources if one.passing)
            info = replace(info, sources=tuple(one for one in info.sources if not one.passing))
            if info.sources:
                writer.finish(info)
        return TaskReport(task, info, failed)

    def detector_of(self, view: str) -> tuple[View, Detector]:
        """Return the settings of a view, and the detector with the threshold of this view."""
        settings = self.views.of(view)
        return settings, self.detector.with_calibration(settings.calibration)

    def _clip(self, task: Task, writer: PartWriter) -> PartInfo:
        (source,) = task.sources
        number = task.stretch.number if task.stretch else None
        try:
            _check_unchanged(source)
            info = self.cutter.info(task)
            if info is not None:
                return info
            outcome = self._judge_clip(self.cutter.outcome(source), task, writer)
            _check_unchanged(source)
        except Exception as error:  # readers raise many kinds on broken files
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            writer.discard()
            return PartInfo(task.view, (_left_out(source, error),), (), number)
        return PartInfo(task.view, (outcome,), (), number)

    def _judge_clip(self, outcome: SourceOutcome, task: Task, writer: PartWriter) -> SourceOutcome:
        path = readable_path(outcome.path)
        view, detector = self.detector_of(task.view)
        fps = outcome.fps
        notes: list[str] = [
            *rate_warnings(detector.calibration, fps),
            *view_warnings(detector, view.scene),
        ]
        try:
            frames = self._frames(path, task.stretch, fps, notes)
            scored = self._write_clip(frames, task.view, writer)
        except DamagedError:
            assert task.stretch is not None
            writer.discard()
            frames = self._frames(path, task.stretch.from_start, fps, notes)
            scored = self._write_clip(frames, task.view, writer)
        if not scored and task.stretch is None:
            needed = detector.config.data.history + 1
            raise DmadError(f"it is shorter than {needed} frames, which the first score needs")
        starts = (f"{path}: ", f"{path} ")
        notes = [
            printable_path(note.removeprefix(starts[0]).removeprefix(starts[1])) for note in notes
        ]
        return replace(outcome, rows=writer.rows, notes=tuple(dict.fromkeys(notes)))

    def _frames(
        self, path: Path, stretch: Stretch | None, fps: float, notes: list[str]
    ) -> Iterator[ReadFrame]:
        threads = self.settings.threads
        if stretch is None:
            return read_source(path, self.format, fps, notes.append, threads)
        return read_stretch(path, stretch, self.format, fps, notes.append, threads)

    def judged(
        self, frames: Iterator[ReadFrame], name: str
    ) -> Iterator[tuple[ReadFrame, JudgedFrame | None]]:
        """Judge the frames of a source. Yield each frame and its result.

        If a frame has no score, its result is None.

        Args:
            frames: The frames.
            name: Name of the view.
        """
        view, detector = self.detector_of(name)
        waiting: deque[ReadFrame] = deque()  # frames that are read, and not judged yet

        def images() -> Iterator[Frame | None]:
            for frame in frames:
                if frame.gap:
                    yield None
                waiting.append(frame)
                self.pace.wait()
                yield frame.image

        number = 0  # of the first frame in `waiting`
        for result in judge_clip(detector, images(), view.scene, BATCH):
            while number < int(result.batch.index[0]):
                yield waiting.popleft(), None
                number += 1
            yield waiting.popleft(), result
            number += 1
        yield from ((frame, None) for frame in waiting)

    def _write_clip(self, frames: Iterator[ReadFrame], view: str, writer: PartWriter) -> int:
        """Judge frames, and return the number of scores.

        Write a row for each frame. Frames before a stretch get no row: they are read only because
        the scores in the stretch depend on them.
        """
        scored = 0
        for frame, result in self.judged(frames, view):
            if not frame.wanted:
                continue
            values = UNSCORED
            if result is not None:
                values = (result.raw, result.reconstruction, result.deformation, result.score)
                scored += 1
            writer.add(0, writer.rows, frame.time, frame.gap, *values)
        return scored

    def _images(self, task: Task, writer: PartWriter) -> PartInfo:
        outcomes: list[SourceOutcome] = []
        places: list[tuple[int, int]] = []  # index of the source, and page, of each image
        frames = self._read_images(task, outcomes, places)
        scores = self._scores(frames, task.view)
        for place, result in zip(places, scores, strict=True):
            writer.add(*place, nan, False, *result)
        return PartInfo(task.view, tuple(outcomes))

    def _scores(
        self, frames: Iterator[Frame], view: str
    ) -> Sequence[tuple[float, float, float, float]]:
        """Return for each image: raw score, reconstruction, deformation and calibrated score.

        Without a threshold, the last value is the raw score again.

        Args:
            frames: The tiles of all images, image by image. An image can be a single tile.
            view: The view of the images.
        """
        _, detector = self.detector_of(view)
        data, calibration = detector.config.data, detector.calibration
        batches = detector.judge(frames, batch=BATCH)
        first = next(batches, None)
        if first is None:
            return ()
        every: Iterator[JudgedFrames] = chain([first], batches)
        if calibration:
            every = (detector.inside(calibration.zone, judged) for judged in every)
        result = AnomalyResult.from_batches(every, data.history)
        result = result.highest_of(data.tiles**2, detector.config.score.alpha)
        if calibration:
            result = result.with_threshold(calibration, "images")
        columns = (result.raw, result.reconstruction, result.deformation, result.score)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _read_images(
        self, task: Task, outcomes: list[SourceOutcome], places: list[tuple[int, int]]
    ) -> Iterator[Frame]:
        """Yield the tiles of all images that can be read.

        Add the outcome of each source to `outcomes`. For each image, add the index of its source
        and its page in the image file to `places`.
        """
        image_format = replace(self.format, antialias=True)
        for number, source in enumerate(task.sources):
            outcome = outcome_of(source)
            found: list[tuple[int, list[Frame]]] = []
            try:
                _check_unchanged(source)
                path = readable_path(source.path)
                for page in page_indices(path):
                    image, _ = read_frames(path, replace(image_format, page=page))
                    found.append((page, image))
                _check_unchanged(source)
            except Exception as error:  # Pillow raises many kinds on broken files
                outcomes.append(_left_out(source, error))
                continue
            recorded, clock = recorded_at(source.path, None, source.stamp, 0.0)
            outcomes.append(replace(outcome, rows=len(found), recorded=recorded, clock=clock))
            for page, tiles in found:
                self.pace.wait()
                places.append((number, page))
                yield from tiles


UNSCORED = (nan, nan, nan, nan)


class _ChangedError(DmadError):
    pass


def _check_unchanged(source: ArchiveSource) -> None:
    """Raise an error if a source has changed since the scan found it."""
    if identity_of(source.path) != (source.size, source.stamp):
        raise _ChangedError(CHANGED)


def _left_out(source: ArchiveSource, error: Exception) -> SourceOutcome:
    """Return the outcome of a source that is left out because of an error.

    If a server caused the error, the next scan tries the source again.
    """
    text = printable_path(one_line(error))
    path = printable_path(source.path)
    for start in (f"{path}: ", f"{path} "):
        text = text.removeprefix(start)
    passing = isinstance(error, OSError) and is_address(source.path)
    return replace(outcome_of(source), reason=text, passing=passing)


def set_up_torch(settings: JudgeSettings) -> bool:
    """Prepare the process of a worker for its model. Return False if the model needs no torch."""
    from dmad.runs import GRAPH_FILES, find_model

    if find_model(settings.run).weights.name in GRAPH_FILES.values():
        return False
    import torch

    torch.set_num_threads(settings.threads)
    set_process_defaults()
    return True
