"""Events while they happen: told when they begin, change and end, as lines of JSON."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.ndimage import label

from dmad.calibration.alarms import EventFinder
from dmad.calibration.standardisation import Scorer
from dmad.calibration.calibration import Calibration
from dmad.config import ScoreConfig, plain
from dmad.evaluation.pixel_metrics import EIGHT
from dmad.evaluation.region_metrics import boxes
from dmad.inference.streaming import Judged
from dmad.model.scoring import average

UPDATE = 1.0  # seconds between two updates of one event, at least

Term = Literal["reconstruction", "deformation"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Told:
    """One line about an event; times in seconds, as its source has them."""

    source: str
    id: str  # of the event: source and start
    state: Literal["new", "update", "end"]
    start: float
    peak: float
    end: float | None  # after its last frame; None while it goes on
    score: float  # the highest so far
    threshold: float
    term: Term  # which term of Eq. 14 makes more of the peak
    box: Box  # left, top, right, bottom of where, as shares of width and height
    clip: str = ""  # file, complete some seconds after the end
    thumbnail: str = ""  # heat and deformation of the peak

    def line(self) -> str:
        """As JSON."""
        return as_line("event", plain(self))


def as_line(kind: str, entries: dict[str, Any]) -> str:
    """One line of JSON, its kind first; times to milliseconds, and what is unknown as null."""
    tidy = {name: _tidy(value) for name, value in entries.items()}
    return json.dumps({"kind": kind, **tidy})


def _tidy(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return [_tidy(item) for item in value] if isinstance(value, list) else value


class LiveEvents:
    """The events of one source, by the rule of its calibration.

    The rule counts frames at its rate; frames that were dropped count as the next one that came,
    and those of a gap as quiet.

    Args:
        source: Its name.
        calibration: Threshold, rule and rate.
        config: Of the score, for finding the place.
    """

    def __init__(self, source: str, calibration: Calibration, config: ScoreConfig) -> None:
        self.source, self.calibration, self.config = source, calibration, config
        self.finder = EventFinder(calibration.rule)
        self._frame = 0  # of the rule
        self._time = np.nan  # of the last frame
        self._start = self._last = 0.0  # of what goes on, seconds
        self._peak: Judged | None = None
        self._told: Told | None = None  # the last line about the event that goes on
        self._told_at = 0.0

    @property
    def peak(self) -> Judged | None:
        """The strongest frame of what goes on."""
        return self._peak

    def push(self, judged: Judged) -> Iterator[Told]:
        """Take in a judged frame, with its time."""
        rate = self.calibration.fps
        missed = 0 if np.isnan(self._time) else round((judged.time - self._time) * rate) - 1
        self._time = judged.time
        for _ in range(max(missed, 0) + 1):
            yield from self._step(judged.calibrated, judged)

    def skip(self, seconds: float) -> Iterator[Told]:
        """Nothing is known of some seconds: what goes on ends where they exceed the merge gap."""
        rule, rate = self.calibration.rule, self.calibration.fps
        for _ in range(min(round(seconds * rate), rule.gap + rule.cooldown + 2)):
            yield from self._step(np.nan, None)
        self._time = np.nan

    def finish(self) -> Iterator[Told]:
        """No frame comes any more."""
        if self.finder.end_clip():
            yield self._tell("end")

    def _step(self, score: float, judged: Judged | None) -> Iterator[Told]:
        ended = self.finder.add_score(score)
        if ended:
            yield self._tell("end")
        rising, here, self._frame = self.finder.candidate, self._frame, self._frame + 1
        if judged is None or rising is None:
            return
        if rising.start == here:
            self._start = judged.time
        if rising.peak == here:
            self._peak = judged
        if rising.end == here + 1:
            self._last = judged.time + 1 / self.calibration.fps
        if self.finder.current and (state := self._news()):
            self._told_at = judged.time
            yield self._tell(state)

    def _news(self) -> Literal["new", "update", ""]:
        assert self._peak is not None
        if self._told is None:
            return "new"
        higher = self._peak.calibrated > self._told.score
        return "update" if higher and self._time - self._told_at >= UPDATE else ""

    def _tell(self, state: Literal["new", "update", "end"]) -> Told:
        peak = self._peak
        assert peak is not None
        term, box = place(peak, self.calibration.scorer, self.config)
        told = Told(
            self.source,
            f"{self.source}-{self._start:.3f}",
            state,
            self._start,
            peak.time,
            self._last if state == "end" else None,
            peak.calibrated,
            self.calibration.threshold,
            term,
            box,
        )
        self._told = None if state == "end" else told
        return told


def place(judged: Judged, scorer: Scorer, config: ScoreConfig) -> tuple[Term, Box]:
    """Which term makes more of a frame's score, and where: around its maximum, down to half."""
    shares = (
        scorer.reconstruction(np.array(judged.reconstruction)),
        scorer.weight * scorer.deformation(np.array(judged.deformation)),
    )
    term: Term = "reconstruction" if shares[0] >= shares[1] else "deformation"
    raw = getattr(judged.found.scores, f"{term}_map")
    return term, box_of(average(raw, config.kernel)[0].cpu().numpy())


def box_of(anomaly: np.ndarray) -> Box:
    """The region around the maximum of a map (H, W) that reaches half of it, in shares."""
    height, width = anomaly.shape
    labels, _ = label(anomaly >= anomaly.max() / 2, EIGHT)
    peak = labels.flat[anomaly.argmax()]
    top, left, bottom, right = boxes(labels)[peak - 1].tolist()
    return (left / width, top / height, right / width, bottom / height)


USUAL = 60  # scores of late that tell of drift; of fewer, one walker may be half

DRIFT = 2.0  # robust deviations that the usual score may lie from the calibrated one


class Recent:
    """Scores of late, where nothing happens, beside those of the calibration.

    Args:
        seconds: How far back; one score a second is kept.
    """

    def __init__(self, seconds: int = 600) -> None:
        self._scores: deque[float] = deque(maxlen=seconds)
        self._time = -np.inf

    def push(self, judged: Judged) -> None:
        """Take note of a frame of no event."""
        if not 0 <= judged.time - self._time < 1:  # clocks are set back, too
            self._scores.append(judged.calibrated)
            self._time = judged.time

    @property
    def median(self) -> float:
        """In the calibration's robust deviations, of which 0 is usual; NaN without scores."""
        return float(np.median(self._scores)) if self._scores else np.nan

    @property
    def drifted(self) -> bool | None:
        """Whether what is usual has changed; None where too little was seen to tell."""
        return abs(self.median) > DRIFT if len(self._scores) >= USUAL else None
