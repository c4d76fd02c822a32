"""The request for a calibration. Its fields have the names of the options of `dmad calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf, isfinite
from pathlib import Path
from typing import Literal

from dmad.calibration.alarms import AlarmShape
from dmad.data.zones import ALL, Zone
from dmad.errors import require


@dataclass(frozen=True)
class AlarmChanges:
    """Rule for the start and end of alarms. By default, the rule of the last calibration is kept.

    Args:
        smoothing: Scores are averaged over this number of past seconds. 0 does not average.
        hysteresis: An alarm continues while the score is above the threshold minus this share of
            it. At 0.2, it continues above 80 % of the threshold.
        minimum: Shortest length of an alarm in seconds. Shorter alarms are dropped.
        gap: If the score falls further, but reaches the threshold again within this number of
            seconds, the alarm continues too.
        cooldown: No other alarm starts in this number of seconds after an alarm.
    """

    smoothing: float | None = None
    hysteresis: float | None = None
    minimum: float | None = None
    gap: float | None = None
    cooldown: float | None = None

    def __bool__(self) -> bool:
        """True if at least one value is given."""
        return bool(self._given())

    def applied_to(self, shape: AlarmShape) -> AlarmShape:
        """Return a copy of `shape`, with the values of this object that are not None."""
        return replace(shape, **self._given())

    def _given(self) -> dict[str, float]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class CalibrationRequest:
    """The request for a calibration.

    Args:
        footage: Normal videos, folders of frames, or images, or folders of them. The model must not
            have been trained on them (default: the footage of the last calibration; for the first
            calibration the footage that was held out from training).
        normal: Clips, images, or ids of events that raised a false alarm. The threshold rises just
            enough that they raise no alarm again. If the model was neither trained nor calibrated
            on their view, a first threshold is computed from these clips.
        events: Folder that `dmad predict` or `dmad watch` wrote. The ids in `normal` are those of
            its events. A message names its events that would raise no alarm now (default: if
            `normal` is a film that `dmad watch` stored, the folder of this film).
        threshold: A threshold that you choose. The budget then has no effect.
        force: Allow `normal` to make large changes: a threshold of more than twice its value. With
            `only_here`: more than half of the view becomes less sensitive, or a place becomes less
            sensitive by more than a factor of 2.
        only_here: Keep the threshold. Instead, make the model less sensitive at the places where
            the clips in `normal` are unusual. Video only.
        undo: Restore the threshold that was replaced last.
        false_alarms: Budget of false alarms: `1/day`, `2/hour`, `0.001/frame`, for images
            `0.01/image`, or `1%` of the frames or images (default for the first calibration:
            1/hour, or 0.01/image).
        alarm: Rule for the start and end of alarms. Video only.
        weight: Weight of the deformation in the calibrated score (default for the first
            calibration: the weight in the settings of the model). Video only.
        fps: Frame rate of footage that does not state it, such as folders of frames (default: the
            frame rate that was given in training as `data.fps`). Video only.
        scene: Name of the camera view that the footage shows. Video only.
        zone: Part of the view or of each image that is scored (default: the zone of the last
            calibration).
        out: File to write the threshold to, for one of several cameras (default: model.json of the
            run). Video only.
        root: Folder of the data set (default: the folder that was used in training).
        cache: Folder for decoded frames (default: the folder that was used in training).
    """

    footage: Sequence[str | Path] = ()
    normal: Sequence[str | Path] = ()
    events: Path | None = None
    threshold: float | None = None
    force: bool = False
    only_here: bool = False
    undo: bool = False
    false_alarms: str = ""
    alarm: AlarmChanges = field(default_factory=AlarmChanges)
    weight: float | None = None
    fps: float = 0.0
    scene: str = ""
    zone: Zone = ALL
    out: Path | None = None
    root: Path | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        for name in ("footage", "normal"):
            value = getattr(self, name)
            paths = (value,) if isinstance(value, str | Path) else tuple(value)
            object.__setattr__(self, name, paths)
        for name in ("out", "events"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path))
        given = self.threshold
        require(given is None or isfinite(given), f"threshold is {given}; give a finite number")
        self._check_combination()
        require(
            bool(self.normal) or not self.only_here,
            "only_here is for clips that were marked as normal; name them with normal",
        )
        for name, value in (("fps", self.fps), ("weight", self.weight or 0.0)):
            require(0 <= value < inf, f"{name} is {value:g}; give 0 or more")

    def _check_combination(self) -> None:
        """Check that only one kind of change is requested."""
        for name in ("undo", "threshold"):
            refused = ", ".join(self.beside(name))
            require(
                not refused or getattr(self, name) in (None, False),
                f"{refused} cannot be given together with {name}; use two calls",
            )

    def beside(self, change: Literal["undo", "threshold", "normal"]) -> list[str]:
        """Return the names of the fields that are set and contradict a change."""
        given = {
            "false_alarms": self.false_alarms,
            "alarm": self.alarm,
            "weight": self.weight is not None,
            "footage": self.footage,
            "normal": self.normal,
            "threshold": self.threshold is not None,
        }
        if change == "threshold":  # a threshold may be chosen for new footage
            given = {name: given[name] for name in ("false_alarms", "normal")}
        return [name for name, value in given.items() if value and name != change]

    @property
    def of_video(self) -> list[str]:
        """Names of the fields that are set and apply to video only."""
        given = {
            "alarm": self.alarm,
            "weight": self.weight is not None,
            "only_here": self.only_here,
            "fps": self.fps,
            "scene": self.scene,
            "out": self.out,
        }
        return [name for name, value in given.items() if value]
