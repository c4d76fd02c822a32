"""Scores clips with a video model, and writes tables, pictures and annotated videos."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np

from dmad.console import progress_bar
from dmad.data.inputs import clip_names, find_clips
from dmad.data.reading.decode import aspect_ratio, probe
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.paths import real_name, shown
from dmad.drawing import pictures as drawing
from dmad.drawing.charts import timeline
from dmad.errors import DmadError, require
from dmad.files import write_atomically
from dmad.forms.video.pictures import ColourScale, HighestPictures, pictures
from dmad.inference.detector import Detector
from dmad.inference.streaming import JudgedFrame, judge_clip
from dmad.inference.warnings import rate_warnings, view_warnings
from dmad.predict.annotated_video import AnnotatedVideo
from dmad.predict.clip_frames import ClipFrames
from dmad.predict.clip_index import (
    FILM,
    ClipIndex,
    ClipResult,
    event_moments,
    highest_moments,
)
from dmad.predict.clip_scores import ClipScores
from dmad.predict.event_pictures import EventPictures
from dmad.predict.output_folder import OutputFolder
from dmad.predict.settings import PredictSettings

logger = logging.getLogger(__name__)

DEFAULT_FPS = 10.0  # used if source, settings and model do not state a frame rate
PANEL_SECONDS = 1.0  # shortest time between the frames of two panels
DOUBTFUL_SHARE = 0.5  # of the frames; if more reach the threshold, the clip may show another view


def predict_clips(
    detector: Detector, sources: Sequence[Path], out: Path, settings: PredictSettings
) -> Iterator[Path]:
    """Score videos and folders of frames.

    Args:
        detector: A video model.
        sources: Videos, folders of frames, and folders that contain videos or folders of frames.
        out: Folder to write to. Each clip gets a folder inside `out`; see `ClipPrediction`. The
            page `index.html` in `out` shows the results of all clips.
        settings: How videos are read, and what is written.

    Yields:
        The folder of each clip, when the clip is done.

    Raises:
        DmadError: No clip could be scored, or the results of a clip would be written into the clip.
    """
    clips = [clip for source in sources for clip in find_clips(source)]
    folders = [out / name for name in clip_names(clips)]
    for clip, folder in zip(clips, folders, strict=True):
        require(
            folder.resolve() != clip.resolve(),
            f"{folder} is the clip itself; choose another folder to write to",
        )
    problems: list[str] = []
    index = ClipIndex(detector.calibration.threshold if detector.calibration else None)
    try:
        for clip, folder in zip(clips, folders, strict=True):
            try:
                prediction = ClipPrediction(detector, clip, folder, settings)
                try:
                    prediction.run()
                finally:
                    prediction.add_to(index)
                yield folder
            except DmadError as error:
                problems.append(str(error))
                if len(clips) > 1:
                    logger.warning(f"skipped: {error}")
    finally:  # also after Ctrl-C
        _write_index(index, out)
    require(len(problems) < len(clips), problems[0] if problems else "give videos or folders")
    if problems:
        logger.warning(f"{len(problems)} of {len(clips)} clips were skipped")


def _write_index(index: ClipIndex, out: Path) -> None:
    """Write the page. If another process uses the folder, there is a warning and no page."""
    if not index.clips:
        return
    try:
        with OutputFolder(out) as output:
            index.write(output)
    except DmadError as error:
        logger.warning(f"the page is not written: {error}")


class ClipPrediction:
    """Scores one clip, and writes the results into a folder.

    The folder gets `scores.csv`, `timeline.png`, `annotated.mp4` and `panels/`, and `events.csv` if
    the model has a threshold.

    Args:
        detector: A video model.
        source: Video or folder of frames.
        out: The folder for the results.
        settings: How the clip is read, and what is written.
    """

    def __init__(
        self, detector: Detector, source: Path, out: Path, settings: PredictSettings
    ) -> None:
        self.detector, self.source, self.out, self.settings = detector, source, out, settings
        self.fps = probe(source, settings.fps)[0] or detector.fps or DEFAULT_FPS
        self.warnings: list[str] = []  # logged at the end, below the progress bar
        frame_format = FrameFormat.from_settings(detector.config.data)
        self.frames = ClipFrames(source, frame_format, self.fps, self.warnings.append)
        self.scores = ClipScores(
            self.fps, self.frames.times, self.frames.gaps, detector.calibration
        )
        calibration = detector.calibration
        self.highest = HighestPictures(
            size=settings.panels,
            apart=round(PANEL_SECONDS * self.fps),
            window=calibration.scorer.window if calibration else 1,
        )
        rule = calibration.rule if calibration else None
        self.event_pictures = EventPictures(rule)
        self.aspect_ratio = aspect_ratio(source)
        self.video: AnnotatedVideo | None = None
        self.video_is_complete = False
        self.files: list[str] = []  # names of the files that were written

    def run(self) -> None:
        """Score the clip and write the results. After Ctrl-C, the results so far are written.

        Raises:
            DmadError: The clip is unreadable, or too short to be scored.
        """
        self.warnings += rate_warnings(self.detector.calibration, self.fps)
        self.warnings += view_warnings(self.detector, self.settings.scene)
        with OutputFolder(self.out) as output:
            self._score_and_write(output)
        needed = self.detector.config.data.history + 1
        require(
            self.scores.scored_frames > 0,
            f"{self.source} has too few frames: a score needs {needed} frames in a row",
        )
        logger.info(f"{real_name(self.source)}: {self._summary()}")

    def add_to(self, index: ClipIndex) -> None:
        """Add the result to the page, if the results were written."""
        if self.files:
            index.add(self._result())

    def _score_and_write(self, output: OutputFolder) -> None:
        try:
            self._score()
        except KeyboardInterrupt:
            self.warnings.append(f"stopped after {self.scores.scored_frames} scored frames")
            raise
        finally:
            gaps = len(self.frames.gaps)
            if gaps:
                self.warnings.append(
                    f"frames are missing ({gaps} {'gap' if gaps == 1 else 'gaps'}); the first "
                    "frames after a gap have no score"
                )
            for warning in self.warnings:
                logger.warning(warning)
            if self.scores.scored_frames:
                self._write(output)

    def _score(self) -> None:
        scale = ColourScale.from_detector(self.detector)
        if self.settings.video:
            self.video = AnnotatedVideo(
                path=self.out / FILM,
                fps=self.fps,
                scale=scale,
                aspect_ratio=self.aspect_ratio,
                warn=self.warnings.append,
            )
        judged_frames = judge_clip(self.detector, self.frames, self.settings.scene)
        count = probe(self.source)[1] or None
        with self.video or nullcontext():
            for judged in progress_bar(judged_frames, real_name(self.source), count):
                self._add_unscored_until(int(judged.batch.index[0]))
                self.frames.take()
                self.scores.add_scored(judged)
                is_peak = self._add_for_pictures(judged.score)
                if is_peak or self.video or self.settings.panels:
                    self._draw(judged, scale, is_peak)
            if self.scores.scored_frames:
                self._add_unscored_until(len(self.frames.times))
        self.video_is_complete = self.video is not None and self.video.complete

    def _add_for_pictures(self, score: float) -> bool:
        """Add the score of the newest frame to the event pictures.

        Return True if the picture of this frame may become the picture of an event.
        """
        return self.event_pictures.add_score(score, len(self.scores) - 1 in self.frames.gaps)

    def _draw(self, judged: JudgedFrame, scale: ColourScale, is_peak: bool) -> None:
        (picture,) = pictures(judged.batch, scale, self.aspect_ratio)
        time = self.frames.times[picture.index]
        picture = replace(picture, time=time, calibrated=judged.calibrated)
        self.highest.offer(picture)
        if is_peak:
            self.event_pictures.offer(picture)
        if self.video:
            self.video.add_scored(picture)

    def _add_unscored_until(self, end: int) -> None:
        """Add the frames before index `end` that have no score."""
        for index in range(self.frames.taken, end):
            frame = self.frames.take()
            self.scores.add_unscored()
            self._add_for_pictures(nan)
            if self.video:
                self.video.add_unscored(frame, index, self.frames.times[index])

    def _write(self, output: OutputFolder) -> None:
        """Write tables and pictures, and remove earlier results.

        Only the user who runs dmad can read the new files.
        """
        scores = self.scores
        threshold = None
        tables = {"scores.csv": scores.to_csv()}
        if scores.calibration:
            threshold = scores.calibration.threshold
            tables["events.csv"] = scores.events_to_csv()
        for name, text in tables.items():
            write_atomically(output.path(name), text, private=True)
            output.add(output.path(name))
        terms = {name: scores.column(name) for name in ("reconstruction", "deformation")}
        seconds = np.array(scores.times[: len(scores)])
        images = {"timeline.png": timeline(scores.main_score, None, terms, seconds, threshold)}
        for rank, picture in enumerate(self.highest.pictures, 1):
            images[f"panels/{rank:02d}-frame-{picture.index:05d}.png"] = picture.panel()
        output.remove_unfinished("panels")
        for name, image in images.items():
            drawing.save_png(image, output.path(name), private=True)
            output.add(output.path(name))
        if self.video_is_complete:
            output.add(output.path(FILM))
        output.remove_earlier()
        self.files = [*([FILM] if self.video_is_complete else []), *tables, "timeline.png"]

    def _result(self) -> ClipResult:
        """Return what the page shows of the clip."""
        scores, film = self.scores, self.video_is_complete
        name = self.out.name
        self.event_pictures.finish()
        if scores.calibration:
            moments = event_moments(scores, name, film, self.event_pictures)
        else:
            moments = highest_moments(self.highest.pictures, name, film, self.fps)
        peak = int(np.nanargmax(scores.main_score))
        events = [(event.start, event.end) for event in scores.events]
        return ClipResult(
            name=name,
            source=shown(self.source),
            score=scores.main_score,
            events=events if scores.calibration else None,
            moments=moments,
            peak=float(scores.main_score[peak]),
            peak_time=scores.times[peak],
            length=scores.times[len(scores) - 1] + 1 / self.fps,
            files=self.files,
        )

    def _summary(self) -> str:
        """Return one line: the number of events, if there is a threshold, and the highest score."""
        scores = self.scores
        highest = float(np.nanmax(scores.main_score))
        if not scores.calibration:
            time = scores.times[int(np.nanargmax(scores.main_score))]
            return f"highest score {highest:.3f} at {time:.1f} s; no threshold is set"
        threshold = scores.calibration.threshold
        if not scores.events:
            return f"no alarm (highest score {highest:.1f}, threshold {threshold:.1f})"
        strongest = max(scores.events, key=lambda event: event.score)
        count = len(scores.events)
        summary = (
            f"{count} {'alarm' if count == 1 else 'alarms'}, the strongest at "
            f"{scores.times[strongest.peak]:.1f} s (score {strongest.score:.1f}, "
            f"threshold {threshold:.1f})"
        )
        share = float((scores.main_score >= threshold).sum() / scores.scored_frames)
        if share < DOUBTFUL_SHARE or self.detector.needs_template(self.settings.scene):
            return summary
        return (
            f"{summary}; {share:.0%} of the frames reach the threshold. If the model was not "
            f"trained on this view, {self._advice_for_new_view()}"
        )

    def _advice_for_new_view(self) -> str:
        if self.detector.backend.templates is None:
            return (
                "set a threshold for it (dmad calibrate MODEL FOOTAGE --out FILE), and give "
                "--calibration FILE"
            )
        return "give the view a name (--scene NAME)"
