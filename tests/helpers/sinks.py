"""A sink for tests."""

import json


class ListSink:
    """Keeps the messages that it gets."""

    def __init__(self):
        self.messages, self.closed = [], False

    def send(self, message):
        self.messages.append(json.loads(message))

    def close(self):
        self.closed = True

    def matching(self, kind, **entries):
        """The messages of a kind that have these entries."""
        entries = {"kind": kind, **entries}
        return [message for message in self.messages if entries.items() <= message.items()]
