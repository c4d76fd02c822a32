"""The settings of a watch: its cameras, what it writes, and where it sends its messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.errors import require


@dataclass(frozen=True)
class CameraSettings:
    """Settings of every camera that is given by its source only, and not in a YAML file.

    Args:
        scene: Name of the camera view. For a view that the model was not trained on, the background
            template comes from the past frames of the camera.
        calibration: Threshold file that `dmad calibrate --out` wrote (default: the threshold that
            is stored with the model).
        fps: Frames per second that are scored. Frames of a faster source are dropped. Recordings
            that state no frame rate get this one (default: the frame rate that was used for the
            threshold).
    """

    scene: str = ""
    calibration: Path | None = None
    fps: float = 0.0


@dataclass(frozen=True)
class WatchSettings:
    """Which files are written, and how often the count message is sent.

    Args:
        out: Folder for events.jsonl, the page index.html, and a film and a picture of each event
            (default: no files are written).
        before: Length of a film before the event starts, in seconds.
        after: Length of a film after the event ends, in seconds.
        every: Seconds between two `count` messages, with the numbers of frames and events.
    """

    out: Path | None = None
    before: float = 3.0
    after: float = 3.0
    every: float = 60.0

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            seconds = getattr(self, name)
            require(seconds >= 0, f"{name} is {seconds} s; give 0 or more")
        require(self.every > 0, f"every is {self.every} s; give more than 0")


@dataclass(frozen=True)
class SinkSettings:
    """Where messages are sent over the network.

    Args:
        webhook: URL to which each message is sent by HTTP POST.
        mqtt: MQTT topic to which each message is published, such as mqtt://host/topic.
        spool: Folder for messages that are not delivered yet (default: the folder spool. `dmad
            watch` puts it into the folder --out, or into the current folder without --out. `dmad
            serve` puts it into the folder --data).
    """

    webhook: str = ""
    mqtt: str = ""
    spool: Path | None = None
