"""Keeps one small picture of each event while a clip is scored."""

from __future__ import annotations

from typing import Any

from dmad.calibration.alarms import AlarmRule, Event, EventFinder
from dmad.drawing.page import embedded_picture
from dmad.forms.video.pictures import Picture

MOST_PICTURES = 200  # for each clip; the strongest events have pictures
LONGEST_SIDE = 480  # pixels of a small picture


class EventPictures:
    """Finds the frame with the highest score of each event, and keeps its picture.

    For each frame, in order, call `add_score`. If it returns True, call `offer` with the picture of
    this frame. After the last frame, call `finish`. Then `of` returns the picture of each event.

    Args:
        rule: When an event starts and ends. None: there is no threshold, and no pictures are kept.
    """

    def __init__(self, rule: AlarmRule | None) -> None:
        self._finder = EventFinder(rule) if rule else None
        self._frames = 0
        self._offered: Picture | None = None  # the picture that was offered last
        # Score and picture of each event, by the index of the frame with the highest score.
        self._kept: dict[int, tuple[float, dict[str, Any]]] = {}

    def add_score(self, score: float, after_gap: bool = False) -> bool:
        """Add the score of the next frame.

        Args:
            score: The calibrated score; NaN: the frame has no score.
            after_gap: True if frames are missing before this frame (a gap). A gap ends an event.

        Returns:
            True if this frame has the highest score so far of an event, or of frames that may
            become an event.
        """
        if self._finder is None:
            return False
        if after_gap:
            self.finish()
        self._keep(self._finder.add_score(score))
        self._frames += 1
        candidate = self._finder.candidate
        return candidate is not None and candidate.peak == self._frames - 1

    def offer(self, picture: Picture) -> None:
        """Store the picture of the frame whose score was added last.

        Only the picture that was offered last is stored. When an event ends, the stored picture
        becomes the picture of this event.
        """
        self._offered = picture

    def finish(self) -> None:
        """End an event that is in progress."""
        if self._finder:
            self._keep(self._finder.end_clip())

    def of(self, peak: int) -> dict[str, Any] | None:
        """Return source (a data URL), width and height in pixels of the picture of an event.

        None if this event has no picture.

        Args:
            peak: Index of the frame with the highest score of the event.
        """
        return self._kept[peak][1] if peak in self._kept else None

    def _keep(self, event: Event | None) -> None:
        picture = self._offered
        if event is None or picture is None or picture.index != event.peak:
            return
        self._kept[event.peak] = (event.score, small_picture(picture))
        if len(self._kept) > MOST_PICTURES:
            del self._kept[min(self._kept, key=lambda peak: self._kept[peak][0])]


def small_picture(picture: Picture) -> dict[str, Any]:
    """Return the heat map of a frame as a small picture: source (a data URL), width, height."""
    return embedded_picture(picture.heat, LONGEST_SIDE)
