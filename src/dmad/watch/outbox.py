"""Sends messages over a network. Each message is stored on disk until it has arrived.

If the receiver cannot be reached, messages wait in the spool, a file on disk. They are sent in
order when the receiver can be reached again, even if this process was restarted in between.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dmad.errors import DmadError, one_line
from dmad.files import make_folder, write_atomically

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 10.0  # seconds in which a receiver must answer
BLOCK = 2**16  # number of bytes that are read at once

Deliver = Callable[[str], None]


@dataclass(frozen=True)
class Retries:
    """Waiting times between attempts to send a message, in seconds.

    Args:
        first: Time until the second attempt. It is doubled after each failure.
        longest: Longest time between two attempts.
        closing: How long `Outbox.close` still tries to send.
    """

    first: float = 0.5
    longest: float = 10.0
    closing: float = 5.0


DEFAULT_RETRIES = Retries()


class Outbox:
    """A sink that stores messages in a spool on disk, and sends them in order.

    A message is sent twice only if this machine fails after the receiver has answered and before
    the new position is stored.

    Args:
        spool: File of the messages that are not sent yet. A file beside it, with the suffix
            `.sent`, stores how many bytes of it are sent.
        deliver: Sends one message. Raises if that fails.
        receiver: Name of the receiver in log messages.
        retries: When a message is sent again after a failure.

    Raises:
        DmadError: Another process uses the spool.
    """

    def __init__(
        self,
        spool: Path,
        deliver: Deliver,
        receiver: str,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        make_folder(spool.parent)
        self.receiver = receiver
        self._retries = retries
        self._deliver = deliver
        self._spool = spool
        self._process_lock = FileLock(spool.with_suffix(".lock"))
        try:
            self._process_lock.acquire(timeout=0)
        except Timeout as error:
            raise DmadError(
                f"{spool} is used by another `dmad watch`; give each its own out or spool folder"
            ) from error
        cut_partial_line(spool)
        self._file = spool.open("a+b")
        self._position_file = spool.with_suffix(".sent")
        self._position = _read_number(self._position_file)  # bytes of the spool that are sent
        self._file_lock = threading.Lock()
        self._unreachable = False
        self._closing = threading.Event()
        self._all_sent = threading.Event()
        self._has_messages = threading.Event()
        self._has_messages.set()  # the spool may contain messages of an earlier process
        self._thread = threading.Thread(target=self._send_until_closed, daemon=True)
        self._thread.start()

    def send(self, message: str) -> None:
        """Store a message on disk; a thread sends it."""
        with self._file_lock:
            self._file.write(message.encode() + b"\n")
            self._file.flush()
            self._all_sent.clear()
        self._has_messages.set()

    def close(self) -> None:
        """Try to send the rest for some seconds. The next process sends what still remains."""
        self._all_sent.wait(self._retries.closing)
        self._closing.set()
        self._has_messages.set()
        self._thread.join(ANSWER_TIMEOUT + 1)
        unsent = self._spool.stat().st_size - self._position
        self._file.close()
        self._process_lock.release()
        if unsent:
            logger.warning(
                f"{self.receiver} cannot be reached; unsent messages are kept in {self._spool}"
            )

    def _send_until_closed(self) -> None:
        while not self._closing.is_set():
            self._has_messages.wait()
            self._has_messages.clear()
            pause = self._retries.first
            while not self._send_all():
                if self._closing.wait(pause):
                    return
                pause = min(2 * pause, self._retries.longest)

    def _send_all(self) -> bool:
        """Send messages until none is left (True) or one fails (False)."""
        while True:
            try:
                line = self._next_line()
                if not line:
                    return True
                self._deliver(line.rstrip(b"\n").decode())
                self._position += len(line)
                write_atomically(self._position_file, str(self._position))
            except Exception as error:  # no kind of failure may lose the message
                if not self._unreachable:
                    logger.warning(f"{self.receiver} cannot be reached ({one_line(error)})")
                self._unreachable = True
                return False
            self._unreachable = False

    def _next_line(self) -> bytes:
        """The next complete line. If all are sent: empty the spool and return no bytes."""
        with self._file_lock:
            self._file.seek(self._position)
            line = self._file.readline()
            if line.endswith(b"\n"):
                return line
            write_atomically(self._position_file, "0")
            self._file.truncate(0)
            self._position = 0
            self._all_sent.set()
            return b""


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


def _read_number(path: Path) -> int:
    """The number in a file; 0 if there is no file or no number in it."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
