"""The messages of `dmad watch`: events, camera health and counts. Each is one line of JSON.

Times are in seconds: since the start of a recording, or since 1970 (UTC) for a live source. A time
of a live source is also written in local time: `start` as `start_local`, and so on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

import numpy as np

from dmad.config import plain

Term = Literal["reconstruction", "deformation"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Message:
    """Base class of all messages.

    Args:
        source: Name of the camera.
        live: True if the times are seconds since 1970.
    """

    kind: ClassVar[str]
    times: ClassVar[tuple[str, ...]] = ("time",)  # names of the entries that are times

    source: str
    live: bool = field(default=False, kw_only=True)

    def to_json(self) -> str:
        """Return one line of JSON that begins with `kind`.

        Numbers are rounded to 4 decimals. NaN becomes null. If the source is live, local times
        follow.
        """
        entries = {name: _rounded(value) for name, value in plain(self).items() if name != "live"}
        if self.live:
            entries |= {f"{name}_local": local_time(entries[name]) for name in self.times}
        return json.dumps({"kind": self.kind, **entries})


@dataclass(frozen=True)
class EventMessage(Message):
    """Says that an event has begun, that its score has risen, or that it has ended."""

    kind: ClassVar[str] = "event"
    times: ClassVar[tuple[str, ...]] = ("start", "peak", "end")

    id: str  # name of the event: source and start
    state: Literal["new", "update", "end"]
    start: float
    peak: float  # time of the highest score so far
    end: float | None  # end of its last frame; None during the event
    score: float  # the highest calibrated score so far
    threshold: float
    term: Term  # the term of Eq. 14 that contributes more to the peak
    box: Box  # left, top, right, bottom of the anomaly, as shares of width and height
    clip: str = ""  # file of the film, complete some seconds after the end
    thumbnail: str = ""  # picture file of the peak: its heat, and the place enlarged


@dataclass(frozen=True)
class HealthMessage(Message):
    """Says that the state of a camera has changed."""

    kind: ClassVar[str] = "health"

    time: float
    state: str  # a state of `Health`, or "lost", "back", "unreadable"
    why: str  # reason for "lost" or "unreadable"
    gap: float  # seconds without a frame, for "back"
    scoring: bool  # whether frames are scored in this state


@dataclass(frozen=True)
class CountMessage(Message):
    """Numbers of frames, gaps and events since the start, and the drift of the scores."""

    kind: ClassVar[str] = "count"

    time: float
    state: str  # as in `HealthMessage`, or "connecting" before the first frame of a live source
    frames: int  # received
    scored: int
    dropped: int  # frames that were left out because this machine is too slow
    gaps: int
    gap_seconds: float
    events: int
    median: float  # `RecentScores.median`
    drifted: bool | None  # `RecentScores.drifted`
    threshold: float


def local_time(seconds: float | None) -> str | None:
    """Return seconds since 1970 in local time with its offset, as 2026-11-29T08:15:30.250+01:00."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
