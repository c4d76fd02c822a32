"""The last reported state of a camera, and the time for which it has had no scores."""

from __future__ import annotations

from dmad.watch.messages import HealthMessage

SCORING_STATES = ("ok", "back")


class ReportedState:
    """The last reported state of a camera.

    Args:
        source: Name of the camera.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.state = "ok"
        self.reason = ""

    def change(
        self, state: str, time: float, reason: str = "", gap: float = 0.0
    ) -> HealthMessage | None:
        """Change the state, and return a message about it; None if nothing has changed.

        Args:
            state: A state of `Health`, "lost", "unreadable", or "back". "back" says that frames
                come again; the stored state is then "ok".
            time: Time of the change in seconds.
            reason: Why the source is "lost" or "unreadable".
            gap: Seconds without a frame.
        """
        if (state, reason) == (self.state, self.reason):
            return None
        self.state = "ok" if state == "back" else state
        self.reason = reason
        return HealthMessage(
            source=self.source,
            time=time,
            state=state,
            why=reason,
            gap=gap,
            scoring=state in SCORING_STATES,
        )


class UnscoredTime:
    """Measures how long a camera has had no scores. All times are in seconds."""

    def __init__(self) -> None:
        self._since: float | None = None  # None if the camera has scores

    def start(self, time: float) -> None:
        """Start the measurement if it has not started yet."""
        if self._since is None:
            self._since = time

    def count(self, now: float) -> float | None:
        """Return the seconds since `start`, or since this function last returned a number.

        None if less than one second has passed, or if nothing is measured.
        """
        if self._since is None or now - self._since < 1.0:
            return None
        seconds = now - self._since
        self._since = now
        return seconds

    def stop(self, now: float) -> float | None:
        """Stop, and return the seconds since `start`, or since `count` last returned a number.

        None if nothing was measured, or if `now` is before `start`.
        """
        since, self._since = self._since, None
        if since is None or now < since:
            return None
        return now - since
