"""The settings of a watch: its cameras, what it writes, and where it sends its messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.errors import require


@dataclass(frozen=True)
class CameraSettings:
    """Settings of every camera that is given by its source only, and not in a YAML file.

    Args:
        scene: Name of the camera view. If the model was trained on this view only, leave the name
            out. For a view that it was not trained on, give any new name.
        calibration: Threshold file that `dmad calibrate --out` wrote (default: the threshold that
            is stored with the model).
        fps: Frames per second that are scored. If a file or a camera has more, the others are left
            out. For a recording that does not state its frame rate, this value is used as its frame
            rate (default: the frame rate that was used for the threshold).
    """

    scene: str = ""
    calibration: Path | None = None
    fps: float = 0.0


@dataclass(frozen=True)
class WatchSettings:
    """Which files are written, and how often the count message is sent.

    Args:
        out: Folder to write to: all messages (events.jsonl), a page of the events (index.html), and
            a film and a picture of each event (default: no files are written).
        before: The film of an event begins this number of seconds before the event.
        after: The film of an event ends this number of seconds after the event.
        every: Number of seconds between two `count` messages. They contain the number of frames
            and the number of events.
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
        spool: Folder for messages that are not delivered yet (default: the folder `spool` in the
            folder to which the other files are written, or in the current folder if there is no
            such folder).
    """

    webhook: str = ""
    mqtt: str = ""
    spool: Path | None = None
