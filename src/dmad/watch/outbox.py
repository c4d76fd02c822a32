"""Sends messages over a network. Each message is stored on disk until it has arrived.

If the receiver cannot be reached, messages wait in the spool, a database on disk. They are sent in
order when the receiver can be reached again, even if this process was restarted in between. They
also wait in memory, so that a full or damaged disk does not delay them.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from dmad.errors import one_line
from dmad.locks import locked
from dmad.watch.spool import Spool, is_damage

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 10.0  # seconds in which a receiver must answer
MOST_IN_MEMORY = 100_000  # messages; the others are only in the spool
READ_AT_ONCE = 1000  # messages

STORE_ERRORS = (sqlite3.Error, OSError)

Deliver = Callable[[str], None]
Numbered = tuple[int, str]  # number and text of a message


@dataclass(frozen=True)
class Retries:
    """Waiting times between attempts to send a message, in seconds.

    Args:
        first: Time until the second attempt. It is doubled after each failure.
        longest: Longest time between two attempts.
        closing: Longest time for which `Outbox.close` tries to send messages.
    """

    first: float = 0.5
    longest: float = 10.0
    closing: float = 5.0


DEFAULT_RETRIES = Retries()


class Outbox:
    """A sink that stores messages in a spool on disk, and sends them in order.

    If an earlier process was killed during an event, a message that ends this event is sent before
    new messages. A message may arrive twice: if the answer of the receiver is lost, or if this
    process is killed after the answer and before the message is removed from the spool.

    Args:
        spool: File of the messages that are not sent yet.
        deliver: Sends one message, or raises an exception.
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
        self.receiver = receiver
        self._path = spool
        self._retries = retries
        self._deliver = deliver
        self._process_lock = ExitStack()
        self._process_lock.enter_context(locked(spool.parent, f".{spool.stem}.lock"))
        self._lock = threading.Lock()  # for the attributes below
        self._spool: Spool | None = None
        self._waiting: deque[Numbered] = deque()  # the next messages to send
        self._last_waiting = 0  # highest number of all messages that were in `_waiting`
        self._more = True  # there may be later messages that are not in `_waiting`
        self._unstored: deque[Numbered] = deque()  # messages to store
        self._can_store = True
        self._lost = 0  # messages
        self._last_number = 0
        self._sent: set[int] = set()  # numbers of messages that were sent and are still stored
        self._unreachable = False
        self._closing = threading.Event()
        self._all_sent = threading.Event()
        self._has_messages = threading.Event()
        self._has_messages.set()  # the spool may contain messages of an earlier process
        with self._lock:
            self._try_to_store()
            self._read_more()
        if self._spool:
            for message in self._spool.open_events.ends():
                self.send(message)
        self._thread = threading.Thread(target=self._send_until_closed, daemon=True)
        self._thread.start()

    def send(self, message: str) -> None:
        """Store a message on disk, or in memory if the disk is full; a thread sends it."""
        with self._lock:
            self._last_number = max(self._last_number + 1, time.time_ns())
            numbered = (self._last_number, message)
            self._more = self._more or len(self._waiting) >= MOST_IN_MEMORY
            if not self._more:
                self._waiting.append(numbered)
                self._last_waiting = self._last_number
            self._unstored.append(numbered)
            self._try_to_store()
            self._all_sent.clear()
        self._has_messages.set()

    def close(self) -> None:
        """Wait until all messages are sent, but at most about `Retries.closing` seconds.

        Unsent messages stay in the spool, and the next process sends them.
        """
        self._all_sent.wait(self._retries.closing)
        self._closing.set()
        self._has_messages.set()
        self._thread.join(ANSWER_TIMEOUT + 1)
        with self._lock:
            self._try_to_store()
            self._lost += len(self._unstored)
            is_left = self._next() is not None and self._spool is not None
            if self._spool:
                self._spool.close()
        self._process_lock.close()
        if is_left:
            logger.warning(
                f"{self.receiver} cannot be reached; unsent messages are kept in {self._path}"
            )
        if self._lost:
            logger.warning(
                f"{self._lost} messages to {self.receiver} are lost: they could neither be sent "
                "nor stored"
            )

    def _try_to_store(self) -> None:
        """Store the messages that are only in memory. If that fails, there is one warning."""
        try:
            if self._spool is None:
                self._spool = Spool(self._path)
                self._last_number = max(self._last_number, self._spool.last)
            while self._unstored:
                self._spool.add(*self._unstored[0])
                self._unstored.popleft()
            self._can_store = True
        except STORE_ERRORS as error:
            self._warn_once(error)
            if is_damage(error):
                self._replace_spool(error)
            while len(self._unstored) > MOST_IN_MEMORY:
                self._unstored.pop()
                self._lost += 1

    def _warn_once(self, error: Exception) -> None:
        if self._can_store:
            logger.warning(
                f"messages to {self.receiver} are sent, but cannot be stored in {self._path} "
                f"({one_line(error)})"
            )
        self._can_store = False

    def _replace_spool(self, error: Exception) -> None:
        """Replace a damaged spool by a new one.

        The next call of `_try_to_store` stores the messages that are in memory.
        """
        try:
            if self._spool:
                self._spool.replace(error)
        except STORE_ERRORS:
            self._spool = None
        self._unstored = deque(sorted({*self._waiting, *self._unstored}))

    def _read_more(self) -> None:
        """Put the next messages of the spool into the queue in memory.

        If the spool has no more messages, those that could not be stored are put into the queue.
        """
        rows: list[Numbered] = []
        try:
            if self._spool:
                rows = self._spool.read(self._last_waiting, READ_AT_ONCE)
        except STORE_ERRORS as error:
            self._warn_once(error)
            self._replace_spool(error)
        if not rows:
            rows = [item for item in self._unstored if item[0] > self._last_waiting]
            self._more = False
        self._waiting.extend(rows)
        self._last_waiting = max([self._last_waiting, *(number for number, _ in rows)])

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
        """Send all messages in order, and stop at the first failure.

        Return True if all messages were sent, and False after a failure.
        """
        while True:
            with self._lock:
                found = self._next()
                if found is None:
                    self._all_sent.set()
                    return True
            number, message = found
            try:
                self._deliver(message)
            except Exception as error:  # no kind of failure may lose the message
                if not self._unreachable:
                    logger.warning(f"{self.receiver} cannot be reached ({one_line(error)})")
                self._unreachable = True
                return False
            self._unreachable = False
            with self._lock:
                self._remove(number)

    def _next(self) -> Numbered | None:
        """The next message to send. None if all are sent."""
        if not self._waiting and self._more:
            self._read_more()
        return self._waiting[0] if self._waiting else None

    def _remove(self, number: int) -> None:
        """Remove a message that was sent."""
        self._waiting.popleft()
        if self._unstored and self._unstored[0][0] == number:
            self._unstored.popleft()
        self._sent.add(number)
        if self._spool is None:
            return
        with suppress(*STORE_ERRORS):
            self._spool.remove(self._sent)
            self._sent.clear()
