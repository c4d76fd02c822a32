"""What a user asks of a calibration. The fields are named as the options of `dmad calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path

from dmad.calibration.alarms import AlarmShape
from dmad.data.zones import ALL, Zone
from dmad.errors import require


@dataclass(frozen=True)
class AlarmChanges:
    """Changes to what counts as one alarm. What is None stays as in the last calibration.

    Args:
        smoothing: Seconds of the past over which scores are averaged. 0 does not smooth.
        hysteresis: Share of the threshold by which a score must fall below it to end an alarm.
        minimum: Seconds that an alarm must last; shorter ones are dropped.
        gap: Seconds below the threshold that do not end an alarm.
        cooldown: Seconds after an alarm in which no other alarm starts.
    """

    smoothing: float | None = None
    hysteresis: float | None = None
    minimum: float | None = None
    gap: float | None = None
    cooldown: float | None = None

    def __bool__(self) -> bool:
        """True if something is changed."""
        return bool(self._given())

    def applied_to(self, shape: AlarmShape) -> AlarmShape:
        """The shape with the changes made."""
        return replace(shape, **self._given())

    def _given(self) -> dict[str, float]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class CalibrationRequest:
    """What a user asks of a calibration.

    Args:
        footage: Normal videos, frame folders or images that were not trained on, or folders of
            them (default: those of the last calibration, else what the training held out).
        normal: Clips that raised alarms and are normal. They are added to that footage, each once.
            Video only.
        false_alarms: Budget of false alarms: `1/day`, `2/hour`, `0.001/frame`, or for images
            `0.01/image` (default: that of the last calibration, else 1/hour or 0.01/image).
        alarm: Changes to what counts as one alarm. Video only.
        weight: Weight of the standardised deformation (default: that of the last calibration, else
            the model's). Video only.
        fps: Frames a second of footage that does not state its rate. Video only.
        scene: View that the clips show. Video only.
        zone: Part of the view that counts. Video only.
        out: File to store the threshold in, for one camera of several (default: model.json of the
            run).
        root: Folder of the data set, if it is not where it was in training.
        cache: Folder for decoded frames.
    """

    footage: Sequence[str | Path] = ()
    normal: Sequence[str | Path] = ()
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
        if self.out is not None:
            object.__setattr__(self, "out", Path(self.out))
        for name, value in (("fps", self.fps), ("weight", self.weight or 0.0)):
            require(0 <= value < inf, f"{name} is {value:g}; give 0 or more")

    @property
    def of_video(self) -> list[str]:
        """Names of the fields that are set and apply to video only."""
        given = {
            "normal": self.normal,
            "alarm": self.alarm,
            "weight": self.weight is not None,
            "fps": self.fps,
            "scene": self.scene,
            "include or exclude": self.zone,
            "out": self.out,
        }
        return [name for name, value in given.items() if value]
