"""Finds events that have begun and not ended, from their messages."""

from __future__ import annotations

import json
from collections.abc import Iterable

EVENT = '"kind": "event"'  # in the line of each message about an event


class OpenEvents:
    """Keeps the newest message of each open event. An open event has begun and has not ended.

    A process that is killed cannot send the end of its events. The next process finds these events
    here.

    Args:
        lines: Earlier messages, in order. Lines that are no messages are left out.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.messages: dict[str, str] = {}  # by the id of the event
        for line in lines:
            self.add(line)

    def add(self, line: str) -> bool:
        """Add the next message. Return True if this has changed the kept messages, else False."""
        if EVENT not in line:
            return False
        try:
            event = json.loads(line)
            name, state = str(event["id"]), event["state"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return False
        if state == "end":
            return self.messages.pop(name, None) is not None
        self.messages[name] = line
        return True

    def ends(self) -> list[str]:
        """Return messages that end the open events of a killed process, one message per event.

        The true end is not known, so a message states the time of the highest score as the end. It
        names no film, because the film is not complete.
        """
        events = [json.loads(line) for line in self.messages.values()]
        return [
            json.dumps({**event, "state": "end", "end": event.get("peak"), "clip": ""})
            for event in events
        ]
