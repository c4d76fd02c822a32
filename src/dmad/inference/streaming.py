"""Score frames one by one, as soon as each frame arrives, with constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Any, Protocol

import numpy as np

from dmad.calibration.calibration import Calibration
from dmad.calibration.normal_places import NOWHERE, NormalPlaces
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.source_frames import SourceFrame
from dmad.data.reading.sources import open_source
from dmad.data.zones import ALL, Zone
from dmad.inference.result import JudgedFrames
from dmad.inference.windowing import Window, WindowMaker


class FrameJudge(Protocol):
    """The methods and attributes of a `Detector` that a stream uses.

    `Detector` itself cannot be imported here, because its module imports this one.
    """

    config: Any
    calibration: Calibration | None

    @property
    def fps(self) -> float:
        """Frames per second that the model expects; 0 if unknown."""

    def window_maker(self, scene: str) -> WindowMaker:
        """Return a new `WindowMaker` for a view."""

    def judge_windows(self, windows: Sequence[Window]) -> JudgedFrames:
        """Score windows in one batch."""

    def inside(
        self, zone: Zone, judged: JudgedFrames, places: NormalPlaces = NOWHERE
    ) -> JudgedFrames:
        """Return the same frames with scores of only a part of the view."""


@dataclass(frozen=True, eq=False)
class JudgedFrame:
    """One scored frame of a stream. A larger score is more anomalous."""

    raw: float  # raw score, Eq. 14
    reconstruction: float  # first term of the score
    deformation: float  # second term of the score, without α
    calibrated: float  # to compare with the threshold; NaN without a calibration
    batch: JudgedFrames = field(repr=False)  # its maps and drawings, as a batch of one
    time: float = float("nan")  # seconds, as `SourceFrame.time`; NaN if it is not known

    @property
    def score(self) -> float:
        """The calibrated score if a threshold was set, else the raw score."""
        return self.raw if np.isnan(self.calibrated) else self.calibrated


class Stream:
    """Scores the frames of one view one by one. The scores are those of `Detector.__call__`.

    Args:
        detector: The model, with the threshold of this view.
        scene: Name of the view.
        zone: The part of the view that is scored. `ALL`: the zone that is stored with the
            threshold.
    """

    def __init__(self, detector: FrameJudge, scene: str = "", zone: Zone = ALL) -> None:
        self.detector, self.zone, self.places = detector, zone, NOWHERE
        if detector.calibration:
            self.zone = zone or detector.calibration.zone
            self.places = detector.calibration.places
        self.window_maker = detector.window_maker(scene)
        self.restart()

    def restart(self) -> None:
        """Forget the past frames and scores, but keep the template.

        This is called at a gap, where frames are missing: no score may use frames from both sides
        of a gap.
        """
        self.window_maker.restart()
        calibration = self.detector.calibration
        self._calibrated_score = calibration.live() if calibration else None

    def add_frame(self, frame: np.ndarray) -> JudgedFrame | None:
        """Score the next frame (H, W, C) uint8. None if too few frames were added before it."""
        (judged,) = add_frames([self], [frame])
        return judged

    def finish(self, judged: JudgedFrames) -> JudgedFrame:
        """Apply the zone and the threshold of this view to one scored frame (a batch of one)."""
        judged = self.detector.inside(self.zone, judged, self.places)
        reconstruction, deformation = float(judged.reconstruction[0]), float(judged.deformation[0])
        calibrated = np.nan
        if self._calibrated_score:
            calibrated = self._calibrated_score(reconstruction, deformation)
        raw = float(judged.raw[0])
        return JudgedFrame(raw, reconstruction, deformation, calibrated, judged)


def add_frames(streams: Sequence[Stream], frames: Sequence[np.ndarray]) -> list[JudgedFrame | None]:
    """Score the next frame of several streams of one model in one batch.

    Args:
        streams: Streams of one model. Their detectors may have different thresholds.
        frames: (H, W, C) uint8, one for each stream.

    Returns:
        One scored frame for each stream. None if a stream has too few past frames.
    """
    windows = list[Window]()
    complete = list[int]()  # which streams have a window
    for k, (stream, frame) in enumerate(zip(streams, frames, strict=True)):
        window = stream.window_maker.add_frame(frame)
        if window is not None:
            windows.append(window)
            complete.append(k)
    judged: list[JudgedFrame | None] = [None] * len(streams)
    if windows:
        batch = streams[0].detector.judge_windows(windows)
        for row, k in enumerate(complete):
            judged[k] = streams[k].finish(batch.frame(row))
    return judged


def judge_clip(
    detector: FrameJudge, frames: Iterable[np.ndarray | None], scene: str = "", batch: int = 8
) -> Iterator[JudgedFrame]:
    """Score the frames of a clip in batches, with calibrated scores if a threshold was set.

    If the threshold is for a zone, only this zone is scored.

    Args:
        detector: The model.
        frames: (H, W, C) uint8 each, oldest first. None stands for missing frames (a gap). After a
            gap, the smoothing of the score starts again.
        scene: Name of the view.
        batch: Number of frames that are scored together.
    """
    stream = Stream(detector, scene)
    for present, part in groupby(frames, key=lambda frame: frame is not None):
        if not present:
            stream.restart()
            continue
        windows = stream.window_maker.windows(part)
        while chunk := list(islice(windows, batch)):
            judged = detector.judge_windows(chunk)
            for row in range(len(chunk)):
                yield stream.finish(judged.frame(row))


def judge_source_frames(stream: Stream, frames: Iterable[SourceFrame]) -> Iterator[JudgedFrame]:
    """Score the frames of a source one by one, and give each score the time of its frame."""
    for frame in frames:
        if frame.gap:
            stream.restart()
        judged = stream.add_frame(frame.image)
        if judged is not None:
            yield replace(judged, time=frame.time)


def follow(detector: FrameJudge, source: str, scene: str = "") -> Iterator[JudgedFrame]:
    """Open a source, and score its frames one by one. Closing the iterator closes the source."""
    frame_format = FrameFormat.from_settings(detector.config.data)
    with open_source(source, frame_format, detector.fps) as frames:
        yield from judge_source_frames(Stream(detector, scene), frames)
