"""The settings of a watch: its cameras, what it writes, and where it sends its messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.errors import require


@dataclass(frozen=True)
class CameraSettings:
    """Settings that hold for every camera given by its source alone.

    Args:
        scene: Name of the view. A view that the model was not trained on gets its background
            template from its own past frames.
        calibration: File that `dmad calibrate --out` wrote (default: the model's own threshold).
        fps: Frames a second to judge. Faster sources are thinned to it. It is also the rate of a
            recording that does not say its own (default: the rate of the threshold).
    """

    scene: str = ""
    calibration: Path | None = None
    fps: float = 0.0


@dataclass(frozen=True)
class WatchSettings:
    """What is written beside the messages.

    Args:
        out: Folder for events.jsonl, and for a film and a thumbnail of each event (default: none).
        before: Seconds of a film before its event.
        after: Seconds of a film after its event.
        every: Seconds between two messages of counts and drift.
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
        webhook: URL that gets each message by HTTP POST.
        mqtt: Address mqtt://host/topic at which each message is published.
        spool: Folder for messages that are not sent yet (default: OUT/spool).
    """

    webhook: str = ""
    mqtt: str = ""
    spool: Path | None = None
