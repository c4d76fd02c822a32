"""Sinks: they write the messages of `dmad watch` to a stream, a file, a webhook or MQTT."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

from dmad.files import make_folder
from dmad.watch.mqtt import mqtt
from dmad.watch.outbox import Outbox, cut_partial_line
from dmad.watch.settings import SinkSettings
from dmad.watch.webhook import webhook


class Sink(Protocol):
    """Takes messages, one line of JSON each."""

    def send(self, message: str) -> None:
        """Take one message."""

    def close(self) -> None:
        """Finish: no message follows."""


class StreamSink:
    """Writes messages to a text stream, such as standard output, without delay."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, message: str) -> None:
        """Write one message."""
        self._stream.write(message + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""


class FileSink:
    """Appends messages to a file."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        cut_partial_line(path)
        self._file = path.open("a", buffering=1)

    def send(self, message: str) -> None:
        """Append one message."""
        self._file.write(message + "\n")

    def close(self) -> None:
        """Close the file. A full disk raises no error here: `send` has already raised it."""
        with suppress(OSError):
            self._file.close()


def open_sinks(settings: SinkSettings, out: Path | None, stream: TextIO) -> list[Sink]:
    """Open the sinks of a watch.

    Args:
        settings: The addresses that messages are sent to.
        out: Folder for `events.jsonl`; None writes no file.
        stream: Text stream that also gets every message. It is the last sink, because its reader
            may close it.

    Raises:
        DmadError: An address is invalid, or another process uses the spool.
    """
    spool = settings.spool or (out or Path()) / "spool"
    deliveries = []  # all addresses are checked before a spool is opened
    if settings.webhook:
        deliveries.append(("webhook.jsonl", webhook(settings.webhook), "the webhook"))
    if settings.mqtt:
        deliveries.append(("mqtt.jsonl", mqtt(settings.mqtt), "the MQTT server"))
    sinks: list[Sink] = [Outbox(spool / file, deliver, name) for file, deliver, name in deliveries]
    if out:
        sinks.append(FileSink(out / "events.jsonl"))
    return [*sinks, StreamSink(stream)]
