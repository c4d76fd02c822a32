"""The clock of a live stream: the time of day of its frames."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_DIFFERENCE = 1.0  # seconds that the times of a stream and the time of day may differ


def uptime() -> float:
    """Seconds since this machine was started, also while it slept if the system counts them."""
    since_boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(since_boot)


class StreamClock:
    """Gives frames the time of day, from the times of their stream as long as these are good.

    The times increase, except if the clock of this machine is set: then all times move with it.

    Args:
        time_of_day: Returns seconds since 1970.
        uptime: Returns the seconds of a clock that is never set.
    """

    def __init__(
        self,
        time_of_day: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self._time_of_day, self._uptime = time_of_day, uptime
        self.last = 0.0  # time of the newest frame; 0 before the first
        self.trusts_stream = True  # False: the times of the stream mean nothing
        self._offset = 0.0  # from the stream's clock to the time of day
        self._lead = self._lead_of_day()  # of the time of day over the uptime

    def was_set(self) -> bool:
        """True if the clock of this machine was set since the last call; all times then move."""
        lead = self._lead_of_day()
        change = lead - self._lead
        self._lead = lead
        if abs(change) <= MOST_DIFFERENCE or not self.last:
            return False
        self.last += change
        self._offset += change
        return True

    def time_of(self, stream_time: float | None) -> float:
        """Return the time of day of a frame, seconds since 1970."""
        now = self._time_of_day()
        frame_time = now
        if stream_time is not None and self.trusts_stream:
            frame_time = stream_time + self._offset
        if abs(frame_time - now) > MOST_DIFFERENCE:
            self._offset += now - frame_time
            frame_time = now
        return max(frame_time, self.last + 1e-3)

    def seconds_until(self, stream_time: float) -> float:
        """Seconds until a time of the stream has come; negative if it is past."""
        return stream_time + self._offset - self._time_of_day()

    def _lead_of_day(self) -> float:
        return self._time_of_day() - self._uptime()
