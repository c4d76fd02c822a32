"""Draws the strongest events: a picture of the frame with the highest score, and a short film."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dmad.data.reading.decode import aspect_ratio
from dmad.data.reading.image_files import open_image, read_frames, upright
from dmad.drawing.pictures import encoded
from dmad.errors import one_line
from dmad.files import write_atomically
from dmad.forms.images.pictures import ImagePictures, judge_image
from dmad.forms.video.pictures import ColourScale, Picture, pictures
from dmad.inference.streaming import JudgedFrame
from dmad.predict.annotated_video import AnnotatedVideo
from dmad.scan.addresses import readable_path
from dmad.scan.drawing_task import DrawingTask, DrawnEvent, film_path, picture_path
from dmad.scan.film import ReadFrame, read_index, read_stretch
from dmad.scan.film import read_frames as read_source
from dmad.scan.judge import Judge

logger = logging.getLogger(__name__)

AROUND = 2.0  # seconds before and after the event in a film
LONGEST = 20.0  # seconds of a film at most
SIDE = 640  # pixels of the longest side of a picture
QUALITY = 85  # of WebP


def draw(judge: Judge, task: DrawingTask) -> DrawingTask:
    """Draw the events of a source, and return the task.

    If an event cannot be drawn, a warning is logged.
    """
    draw_one = _draw_event if judge.detector.form.judges == "frames" else _draw_image
    for event in task.events:
        try:
            draw_one(judge, task, event)
        except Exception as error:  # readers raise many kinds on broken files
            logger.warning(f"no picture of {task.source.path}: {one_line(error)}")
    return task


def _draw_event(judge: Judge, task: DrawingTask, event: DrawnEvent) -> None:
    path = readable_path(task.source.path)
    _, detector = judge.detector_of(task.source.view)
    fps = judge.cutter.rate(path, task.source.view)
    aspect, scale = aspect_ratio(path), ColourScale.from_detector(detector)
    frames = _frames_around(judge, task, event, fps)
    peak: Picture | None = None  # of the frame that is nearest to the peak of the event
    with ExitStack() as stack:
        target = film_path(task.folder, event.name)
        film = stack.enter_context(AnnotatedVideo(target, fps, scale, aspect))
        for frame, judged in judge.judged(frames, task.source.view):
            if not frame.wanted:
                continue
            if judged is None:
                film.add_unscored(frame.image, round(frame.time * fps), frame.time)
                continue
            picture = _picture(judged, frame, scale, aspect)
            film.add_scored(picture)
            if peak is None or abs(frame.time - event.peak) < abs(peak.time - event.peak):
                peak = picture
        if peak is not None:
            _write_picture(peak.heat, picture_path(task.folder, event.name))


def _picture(judged: JudgedFrame, frame: ReadFrame, scale: ColourScale, aspect: float) -> Picture:
    (picture,) = pictures(judged.batch, scale, aspect)
    return replace(picture, time=frame.time, calibrated=judged.calibrated)


def _frames_around(
    judge: Judge, task: DrawingTask, event: DrawnEvent, fps: float
) -> Iterator[ReadFrame]:
    """Yield first the past frames that the scores depend on, then the frames around an event."""
    path, view = readable_path(task.source.path), task.source.view
    first = max(0.0, event.start - AROUND, event.peak - LONGEST / 2)
    last = min(event.end + AROUND, first + LONGEST)
    past = judge.cutter.past(view)
    depends_on_all = judge.cutter.depends_on_all(view)
    threads, ignore = judge.settings.threads, lambda line: None
    index = None if depends_on_all else read_index(path, fps)
    if index is not None:
        start = index.times[0] * index.tick
        stretch = replace(index.at(first, last, past), intact_from=None)
        for frame in read_stretch(path, stretch, judge.format, fps, ignore, threads):
            yield replace(frame, time=frame.time - start)
        return
    needed = first - 2 * past / fps
    for frame in read_source(path, judge.format, fps, ignore, threads):
        if frame.time > last:
            return
        if depends_on_all or frame.time >= needed:
            yield replace(frame, wanted=frame.time >= first)


def _draw_image(judge: Judge, task: DrawingTask, event: DrawnEvent) -> None:
    path = readable_path(task.source.path)
    _, detector = judge.detector_of(task.source.view)
    image_format = replace(judge.format, antialias=True, page=event.page)
    tiles, _ = read_frames(path, image_format)
    judged = judge_image(detector, tiles, path.name)
    with open_image(path, event.page, image_format.megapixels) as opened:
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))
        picture = upright(opened, "RGB", image_format.values)
    picture.thumbnail((SIDE, SIDE))
    overlay = ImagePictures(detector).overlay(np.asarray(picture), judged.map)
    _write_picture(overlay, picture_path(task.folder, event.name))


def _write_picture(image: NDArray[np.uint8], path: Path) -> None:
    """Write an image (H, W, 3). Only the user who runs dmad can read the file."""
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    content = encoded(np.asarray(picture), "WebP", quality=QUALITY)
    write_atomically(path, content, private=True)
