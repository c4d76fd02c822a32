"""What a camera worker remembers of its camera: the state it reported, and time without scores."""

from __future__ import annotations

from dmad.watch.messages import HealthMessage

SCORING_STATES = ("ok", "back")


class ReportedState:
    """The state of a camera as last reported.

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
        """Change to a state, and return the message about it; None if nothing has changed.

        Args:
            state: A state of `Health`; "lost" or "unreadable" with a reason; or "back" after a gap,
                which becomes "ok".
            time: Time of the change in seconds.
            reason: Why the camera is in this state.
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
    """Measures a time without scores, in parts of a second or more."""

    def __init__(self) -> None:
        self._since: float | None = None  # start of what was not yet counted

    def start(self, time: float) -> None:
        """Start to measure, unless that was done before."""
        if self._since is None:
            self._since = time

    def count(self, now: float) -> float | None:
        """Return the seconds since the last count; None if they are less than one."""
        if self._since is None or now - self._since < 1.0:
            return None
        seconds = now - self._since
        self._since = now
        return seconds

    def stop(self, now: float) -> float | None:
        """Stop to measure: scores are back. Return the seconds since the last count, if any."""
        since, self._since = self._since, None
        if since is None or now < since:
            return None
        return now - since
