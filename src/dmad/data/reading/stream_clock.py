"""Computes the time of day of the frames of a live stream."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_DIFFERENCE = 1.0  # seconds; times are corrected if they differ more from the time of day


def uptime() -> float:
    """Seconds since this machine was started. Time in sleep counts if the system supports this."""
    since_boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(since_boot)


class StreamClock:
    """Converts the timestamps of a stream into the time of day.

    A frame whose timestamp is missing or wrong gets the current time. The times always increase,
    with one exception: if the clock of this machine is changed, the times change by the same
    amount.

    Args:
        time_of_day: Returns seconds since 1970.
        uptime: Returns the seconds of a clock that cannot be changed.
    """

    def __init__(
        self,
        time_of_day: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self._time_of_day, self._uptime = time_of_day, uptime
        self.last = 0.0  # time of the newest frame; 0 before the first
        self.trusts_stream = True  # False if the stream has no real timestamps
        self._offset = 0.0  # time of day minus stream time
        self._start = self._start_of_machine()

    def was_set(self) -> bool:
        """Return True if the clock of this machine was changed since the last call of this method.

        If so, the times of later frames are changed by the same amount. The result is False before
        the first frame, and if the clock was changed by `MOST_DIFFERENCE` or less.
        """
        start = self._start_of_machine()
        change = start - self._start
        self._start = start
        if abs(change) <= MOST_DIFFERENCE or not self.last:
            return False
        self.last += change
        self._offset += change
        return True

    def time_of(self, stream_time: float | None) -> float:
        """Return the time of day of a frame, in seconds since 1970.

        `stream_time` is the timestamp of the frame in seconds; None if it has none.
        """
        now = self._time_of_day()
        frame_time = now
        if stream_time is not None and self.trusts_stream:
            frame_time = stream_time + self._offset
        if abs(frame_time - now) > MOST_DIFFERENCE:
            self._offset += now - frame_time
            frame_time = now
        return max(frame_time, self.last + 1e-3)

    def seconds_until(self, stream_time: float) -> float:
        """Seconds from now to the time of day of a frame; negative if this time has passed.

        `stream_time` is the timestamp of the frame in seconds.
        """
        return stream_time + self._offset - self._time_of_day()

    def _start_of_machine(self) -> float:
        return self._time_of_day() - self._uptime()
