"""A calibration: the threshold of a model, and how to score and raise alarms with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmad.calibration.alarms import AlarmRule, AlarmShape, Event, find_events, frames_in_events
from dmad.calibration.budget import Budget
from dmad.calibration.normal_places import NOWHERE, NormalPlaces
from dmad.calibration.standardisation import Scorer
from dmad.checked_files import read_mapping
from dmad.config import plain
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require
from dmad.typed import dataclass_from

LONGEST = 10**7  # frames; upper limit of the times in an alarm rule


@dataclass(frozen=True)
class TradeOff:
    """The false alarms at a threshold, and the share of synthetic anomalies that it finds."""

    threshold: float
    false_alarms: float  # expected: events per hour, or a share of frames or images
    observed: int  # number of held-out events, frames or images that reach the threshold
    found: float | None  # share of the synthetic anomalies that are found; None: not measured


@dataclass(frozen=True)
class Calibration:
    """A threshold, the settings with which it was chosen, and how to compute scores and alarms."""

    scorer: Scorer  # raw terms to scores
    rule: AlarmRule  # scores to events, in frames; `rule.on` is the threshold
    budget: Budget  # accepted false alarms
    fps: float  # frames per second of the held-out footage
    interval: tuple[float, float]  # 90 % interval of the threshold that keeps the budget
    margin: float  # added to the interval, and to the threshold up to its limit, if clips are few
    frames: int  # held-out frames with a score
    clips: int  # held-out clips with a score
    observed: int  # number of held-out events, frames or images that reach the threshold
    warnings: tuple[str, ...]  # what a user must know, one sentence each
    scene: str = ""  # name of the view that the threshold was set for
    zone: Zone = ALL  # part of the view that is scored
    places: NormalPlaces = NOWHERE  # places where a user marked events as normal
    largest: float | None = None  # largest score of the held-out footage; None: not stored
    options: tuple[TradeOff, ...] = ()  # rising thresholds to choose from; includes `threshold`
    lowest: float | None = None  # below this threshold, alarms marked as normal come again
    by_hand: bool = False  # True if a user has chosen the threshold

    @property
    def threshold(self) -> float:
        """The score at or above which an event starts."""
        return self.rule.on

    @property
    def shape(self) -> AlarmShape:
        """The settings of an alarm, in seconds."""
        rule, fps = self.rule, self.fps
        return AlarmShape(
            smoothing=self.scorer.window / fps,
            hysteresis=(rule.on - rule.off) / abs(rule.on) if rule.on else 0.0,
            minimum=rule.minimum / fps,
            gap=rule.gap / fps,
            cooldown=rule.cooldown / fps,
        )

    def score(
        self,
        reconstruction: np.ndarray,
        deformation: np.ndarray,
        clip_lengths: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the calibrated scores (N,), to be compared with the threshold. NaN: no score.

        Args:
            reconstruction: (N,) raw first term of Eq. 14 or 22.
            deformation: (N,) raw second term before α.
            clip_lengths: (K,) number of frames of each clip; their sum is N. None: one clip.
        """
        return self.scorer.score(reconstruction, deformation, clip_lengths)

    def live(self) -> Callable[[float, float], float]:
        """Return a function for a live camera: it computes the score of each new frame.

        The arguments of the function are the raw reconstruction and deformation of the frame.
        """
        return self.scorer.live()

    def events(self, scores: np.ndarray, clip_lengths: np.ndarray | None = None) -> list[Event]:
        """Return the events of calibrated scores (N,), as `find_events` does."""
        return find_events(scores, self.rule, clip_lengths)

    def alarm(self, scores: np.ndarray, clip_lengths: np.ndarray | None = None) -> np.ndarray:
        """Return a bool array (N,) that is True for frames of events, or for anomalous images."""
        return frames_in_events(len(scores), self.events(scores, clip_lengths))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a dictionary for a JSON file."""
        tree: dict[str, Any] = plain(self)
        return tree

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> Calibration:
        """Return the calibration from a dictionary that `to_dict` returned.

        Raises:
            DmadError: An entry is missing, unknown, of a wrong type or out of range.
        """
        known = {name: value for name, value in tree.items() if name != "zone" or value}
        return dataclass_from(cls, known, "calibration")

    def __post_init__(self) -> None:
        scales = (self.scorer.reconstruction.scale, self.scorer.deformation.scale)
        require(min(scales) > 0, f"a scale of the calibration is {min(scales)}; give more than 0")
        window, rule = self.scorer.window, self.rule
        longest = max(window, rule.minimum, rule.gap, rule.cooldown)
        require(longest <= LONGEST, f"the alarm rule has a time of {longest} frames; give less")
        require(window >= 1, f"window is {window} frames; give 1 or more")
        require(self.fps > 0, f"fps of the calibration is {self.fps}; give more than 0")


def read_calibration(path: Path, scene: str | None = None) -> Calibration:
    """Read a calibration that `dmad calibrate --out` wrote.

    Args:
        path: The file.
        scene: Name of the view that the threshold must be set for. None accepts any view.

    Raises:
        DmadError: The file does not exist, holds no calibration, or is for another view. The
            background template of a model differs between views, so its scores differ too.
    """
    require(path.is_file(), f"{path} is not a file; give one that `dmad calibrate --out` wrote")
    advice = "give one that `dmad calibrate --out` wrote"
    try:
        calibration = Calibration.from_dict(read_mapping(path, advice))
    except DmadError as error:
        raise DmadError(f"{path} holds no calibration ({error}); {advice}") from error
    view = f"for view {calibration.scene}" if calibration.scene else "without a view"
    require(scene in (None, calibration.scene), f"{path} was set {view}; give the same view here")
    return calibration
