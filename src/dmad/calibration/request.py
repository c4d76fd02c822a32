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
        smoothing: Number of past seconds over which the score is averaged. 0: no average.
        hysteresis: How far the score may fall below the threshold before the alarm ends, as a share
            of the threshold. With 0.2, the alarm continues while the score is at least 80 % of the
            threshold.
        minimum: Shortest length of an alarm in seconds. Shorter alarms are dropped.
        gap: Longest pause in an alarm in seconds. In a pause, the score is lower than `hysteresis`
            allows, or there are no frames. If the score reaches the threshold again within this
            time, the alarm continues.
        cooldown: Number of seconds after an alarm in which no new alarm starts.
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
        footage: Normal videos, folders of frames, or images, or folders of them. They were not used
            in training (default: the footage of the last calibration; for the first calibration,
            the normal footage that `dmad train` did not train on).
        normal: Clips, images or ids of events that raised a false alarm. The threshold rises just
            enough that they raise no alarm again. If you name a new camera view with `scene`, a
            first threshold for this view is computed from the clips.
        events: Output folder of `dmad predict` or `dmad watch`. The command then lists the
            events in this folder that would raise no alarm after the change. If you name ids of
            events in `normal`, you must give this folder. If you name a film that `dmad watch`
            stored, the default is the output folder that contains this film.
        threshold: A threshold that you choose. It cannot be given together with `false_alarms` or
            `normal`.
        force: Allow the threshold to become more than twice as high. With `only_here`, allow two
            other changes: more than half of the view becomes less sensitive, or an anomaly must be
            more than twice as strong as before to raise an alarm. Without `force`, each of these
            changes is refused.
        only_here: Keep the threshold. Instead, make the model less sensitive at the places that
            have high scores in the clips of `normal`. Video only.
        undo: Restore the threshold before the last change.
        false_alarms: Number of false alarms that you accept (the budget), such as `1/day` or
            `2/hour`. You can also give a share of the frames or images: `0.001/frame`,
            `0.01/image`, or `1%` (default for the first calibration: 1/hour for video, 0.01/image
            for images).
        alarm: Rule for the start and end of alarms. Video only.
        weight: Weight of the deformation in the score that is compared with the threshold (default
            for the first calibration: the weight that `dmad train` stored). Video only.
        fps: Frames per second of footage that does not state its frame rate, such as folders of
            frames (default: the value of `data.fps` in training). Video only.
        scene: Name of the camera view that the footage shows. If the model was trained on this view
            only, leave the name out. For a view that it was not trained on, give any new name.
            Video only.
        zone: Part of the view or of each image that is scored (default: the zone of the last
            calibration).
        out: File to write the threshold to. Use it if one model watches several cameras, because
            each camera then has its own threshold (default: model.json of the run). Video only.
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
        """Return the names of the given fields that cannot be given together with `change`."""
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
