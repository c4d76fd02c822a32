"""Causal scores: one frame in, one score out, with constant memory, for one view or many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmad.calibration.calibration import Calibration
from dmad.data.reading.source_frames import Form
from dmad.data.reading.sources import open_source
from dmad.data.templates import Past
from dmad.data.zones import ALL, Zone
from dmad.inference.detector import Detector, Explained


@dataclass(frozen=True)
class Judged:
    """One judged frame; larger is more anomalous."""

    score: float  # Eq. 14, raw
    reconstruction: float  # its first term
    deformation: float  # its second, before α
    calibrated: float  # the score that the threshold is for; NaN without a calibration
    found: Explained = field(repr=False)  # all that the model made of it, as a batch of one
    time: float = float("nan")  # seconds, as its source has it


class Stream:
    """Scores of one view, frame after frame, as `Detector.__call__` gives them for a whole clip.

    Args:
        detector: The model; many streams may share one.
        scene: As `Detector.__call__` takes it.
        calibration: Of this view; the model's own where None.
        zone: The part of the view that counts; where none is said that of the calibration.
    """

    def __init__(
        self,
        detector: Detector,
        scene: str = "",
        calibration: Calibration | None = None,
        zone: Zone = ALL,
    ) -> None:
        self.detector, self.scene = detector, scene
        self.calibration = calibration or detector.calibration
        self.mask = detector.mask(zone or (self.calibration.zone if self.calibration else ALL))
        self._past = Past() if detector.needs_template(scene) else None
        self.frames = 0  # taken so far
        self.restart()

    def restart(self) -> None:
        """The next frame does not follow the last: forget those, and keep the template."""
        self._window: list[np.ndarray] = []
        self._live = self.calibration.live() if self.calibration else None

    def push(self, frame: np.ndarray) -> float | None:
        """Eq. 14 of the next frame (H, W, C) uint8; None for the first T, which have no past."""
        (judged,) = push_all([self], [frame])
        return judged.score if judged else None

    def take(self, frame: np.ndarray) -> tuple[np.ndarray, Tensor | None] | None:
        """The frame with its past (T + 1, H, W, C) and x_bg (1, C, H, W), once there is a past."""
        history = self.detector.config.data.history
        self.frames += 1
        self._window = [*self._window, frame][-history - 1 :]
        ready = len(self._window) > history
        if self._past and (not ready or not self._past.seen):
            self._past.push(frame)
        if not ready:
            return None
        background = self.detector.background(self.scene, self._past)
        if self._past:
            self._past.push(frame)
        return np.stack(self._window), background

    def conclude(self, found: Explained) -> Judged:
        """What a judged frame, a batch of one, means in this view."""
        found = found.within(self.mask, self.detector.config.score)
        score, reconstruction, deformation = (float(v[0]) for v in found.columns()[:3])
        calibrated = self._live(reconstruction, deformation) if self._live else np.nan
        return Judged(score, reconstruction, deformation, calibrated, found)


def push_all(streams: Sequence[Stream], frames: Sequence[np.ndarray]) -> list[Judged | None]:
    """The next frame of each of several streams of one model, judged in one batch.

    Args:
        streams: Of one detector.
        frames: (H, W, C) uint8, one for each.

    Returns:
        What was found in each; None where a stream has no past yet.
    """
    taken = [stream.take(frame) for stream, frame in zip(streams, frames, strict=True)]
    ready = [k for k, item in enumerate(taken) if item is not None]
    found: list[Judged | None] = [None] * len(streams)
    if not ready:
        return found
    detector = streams[0].detector
    pasts, templates = zip(*(item for item in taken if item is not None), strict=True)
    windows = torch.from_numpy(np.stack(pasts)).to(detector.device)
    there = [template.to(detector.device) for template in templates if template is not None]
    background = torch.cat(there) if there else None
    outcome = detector.run(windows, background)
    for row, k in enumerate(ready):
        index = np.array([streams[k].frames - 1])
        parts = (one_of(part, row) for part in outcome)
        found[k] = streams[k].conclude(Explained(index, frames[k][None], *parts))
    return found


def one_of(batch: Any, row: int) -> Any:
    """One sample of a batch of tensors, however nested, as a batch of one."""
    if isinstance(batch, Tensor):
        return batch[row : row + 1]
    if isinstance(batch, tuple):
        return tuple(one_of(part, row) for part in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        parts = {f.name: one_of(getattr(batch, f.name), row) for f in fields(batch)}
        return replace(batch, **parts)
    return batch


def follow(detector: Detector, source: str, scene: str = "") -> Iterator[Judged]:
    """Judge a source as its frames come; it is closed at the end, or with the iterator."""
    stream = Stream(detector, scene)
    with open_source(source, Form.of(detector.config.data, detector.calibration)) as opened:
        for shot in opened:
            if shot.gap:
                stream.restart()
            (judged,) = push_all([stream], [shot.image])
            if judged:
                yield replace(judged, time=shot.time)
