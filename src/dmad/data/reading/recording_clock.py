"""Computes the times of the frames of a recording."""

from __future__ import annotations


class RecordingClock:
    """Converts the timestamps of a recording into seconds since its first frame.

    Timestamps may step back. If they step back to the start, several recordings were joined: the
    time continues after the last frame. If they step back less far, two parts overlap: the time
    stands still until the end of the first part.

    Args:
        fps: Frames per second, above 0; used for frames without a timestamp.
    """

    def __init__(self, fps: float) -> None:
        self._step = 1 / fps
        self._count = 0  # frames so far
        self._start = 0.0  # timestamp at which the present recording begins
        self._shift = 0.0  # time of a frame minus its timestamp
        self._last = -self._step  # time of the last frame

    @property
    def expected(self) -> float:
        """Time in seconds at which the next frame is expected, from the frame rate."""
        return self._last + self._step

    def time_of(self, timestamp: float | None) -> float:
        """Return the time of the next frame in seconds since the first frame.

        Args:
            timestamp: The timestamp of the frame in seconds; None if it has none.
        """
        stated = self._count * self._step if timestamp is None else timestamp
        time = stated + self._shift
        if not self._count or (time < self._last and stated <= self._start):
            time = 0.0 if not self._count else self.expected
            self._start, self._shift = stated, time - stated
        self._count += 1
        self._last = max(time, self._last)
        return self._last
