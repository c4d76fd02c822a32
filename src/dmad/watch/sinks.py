"""Sinks: they write the messages of `dmad watch` to a stream, a file, a webhook or MQTT."""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import ExitStack, suppress
from errno import ENOSPC
from pathlib import Path
from typing import Protocol, TextIO

from dmad.files import errors_that_name
from dmad.locks import locked
from dmad.watch.mqtt import mqtt
from dmad.watch.open_events import OpenEvents
from dmad.watch.outbox import Outbox
from dmad.watch.settings import SinkSettings

logger = logging.getLogger(__name__)

BLOCK = 2**16  # number of bytes that are read at once
EVENTS = "events.jsonl"
MOST_WAITING = 100_000  # messages that are kept while they cannot be written


class Sink(Protocol):
    """Takes messages, one line of JSON each."""

    def send(self, message: str) -> None:
        """Take one message."""

    def close(self) -> None:
        """Finish: no message follows."""


class StreamSink:
    """Writes messages to a text stream, such as standard output, without delay."""

    receiver = "standard output"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, message: str) -> None:
        """Write one message."""
        self._stream.write(message + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""


class FileSink:
    """Appends messages to a file that only this user can read.

    A message that cannot be written, for example because the disk is full, is written before the
    next one. If an earlier process was killed during an event, a message that ends this event is
    written before new messages.

    Args:
        path: The file.

    Raises:
        DmadError: Another process writes into the folder.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.receiver = path, str(path)
        self._lock = ExitStack()
        self._lock.enter_context(locked(path.parent))
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        cut_partial_line(path)
        ends = _open_events(path).ends()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(path, flags, 0o600)
        with suppress(OSError):
            for message in ends:
                self.send(message)

    def send(self, message: str) -> None:
        """Append one message, after those that could not be written before.

        Raises:
            OSError: The message cannot be written now.
        """
        self._waiting.append(message)
        self._append_waiting()

    def close(self) -> None:
        """Close the file. A full disk raises no error here: `send` has already raised it."""
        with suppress(OSError):
            self._append_waiting()
        os.close(self._file)
        self._lock.close()
        if self._waiting:
            logger.warning(f"{len(self._waiting)} messages could not be written to {self._path}")

    def _append_waiting(self) -> None:
        while self._waiting:
            self._append(self._waiting[0])
            self._waiting.popleft()

    def _append(self, message: str) -> None:
        """Append a whole line, or nothing."""
        line = message.encode(errors="surrogateescape") + b"\n"
        end = os.fstat(self._file).st_size
        with errors_that_name(self._path):
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file, end)
                raise


def _open_events(path: Path) -> OpenEvents:
    """Return the events that have begun and not ended, from a file of messages."""
    if not path.is_file():
        return OpenEvents()
    with path.open(errors="surrogateescape") as file:
        return OpenEvents(line.rstrip("\n") for line in file)


def cut_partial_line(path: Path) -> None:
    """Remove an incomplete last line of a file, which a crash may have left."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            last_break = file.read(end - start).rfind(b"\n")
            if last_break >= 0:
                end = start + last_break + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def open_sinks(settings: SinkSettings, out: Path | None, stream: TextIO) -> list[Sink]:
    """Open the sinks of a watch.

    Args:
        settings: The addresses that messages are sent to.
        out: Folder for `events.jsonl` and the page `index.html`; None writes no file.
        stream: Text stream that also gets every message. It is the last sink, so that the
            others get a message even if the program that reads the stream has ended.

    Raises:
        DmadError: An address is invalid, or another process uses the spool or `out`.
    """
    spool = settings.spool or (out or Path()) / "spool"
    deliveries = []  # all addresses are checked before a spool is opened
    if settings.webhook:
        from dmad.watch.webhook import webhook  # httpx is only imported if it is used

        deliveries.append(("webhook", webhook(settings.webhook), "the webhook"))
    if settings.mqtt:
        deliveries.append(("mqtt", mqtt(settings.mqtt), "the MQTT server"))
    sinks: list[Sink] = []
    with ExitStack() as opened:
        for name, deliver, receiver in deliveries:
            _warn_about_old_spool(spool / f"{name}.jsonl", receiver)
            sinks.append(Outbox(spool / f"{name}.db", deliver, receiver))
            opened.callback(sinks[-1].close)
        if out:
            from dmad.watch.event_page import EventPage  # Jinja is only imported if it is used

            sinks.append(FileSink(out / EVENTS))
            opened.callback(sinks[-1].close)
            sinks.append(EventPage(out))
        opened.pop_all()  # nothing is closed, because all could be opened
    return [*sinks, StreamSink(stream)]


def _warn_about_old_spool(path: Path, receiver: str) -> None:
    """Warn if a file of an earlier version of this program may contain unsent messages."""
    if path.is_file() and path.stat().st_size:
        logger.warning(
            f"{path} holds messages of an earlier version that may not have been sent to "
            f"{receiver}; read them, then delete the file"
        )
