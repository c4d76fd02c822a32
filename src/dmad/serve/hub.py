"""Sends live messages to all open pages, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

MOST_WAITING = 200  # messages for one page; older ones are dropped
HEARTBEAT = 15.0  # seconds after which an empty message keeps the connection open


class Hub:
    """Sends messages to all open pages.

    If a page reads too slowly, its oldest messages are dropped. The sender never waits.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.closed = False
        self._clients: set[_Client] = set()
        self._lock = threading.Lock()

    @property
    def clients(self) -> int:
        """The number of open pages."""
        return len(self._clients)

    def publish(self, kind: str, content: Any) -> None:
        """Send a message. Any thread may call this.

        Args:
            kind: What the message is about, such as "event".
            content: Any content that can be written as JSON.
        """
        with self._lock:
            clients = list(self._clients)
        if not clients:
            return
        text = f"event: {kind}\ndata: {json.dumps(content)}\n\n".encode()
        for client in clients:
            self.dropped += client.offer(text)

    async def listen(self) -> AsyncIterator[bytes]:
        """Yield the messages for one page, until the console stops."""
        client = _Client(asyncio.get_running_loop())
        with self._lock:
            self._clients.add(client)
        try:
            yield b"retry: 2000\n\n"
            while not self.closed:
                for text in client.take():
                    yield text
                if not await client.wait():
                    yield b": still here\n\n"
        finally:
            with self._lock:
                self._clients.discard(client)

    def close(self) -> None:
        """End all connections."""
        self.closed = True
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.wake()


class _Client:
    """One open page, with the messages that were not sent to the page yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()

    def offer(self, text: bytes) -> int:
        """Add a message. Return 1 if the oldest message was dropped, else 0."""
        dropped = int(len(self._waiting) == MOST_WAITING)
        self._waiting.append(text)
        self.wake()
        return dropped

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the loop has ended
            return

    def take(self) -> list[bytes]:
        found = []
        while self._waiting:
            found.append(self._waiting.popleft())
        return found

    async def wait(self) -> bool:
        """Return True when a message has come, or False if none has come in `HEARTBEAT` s."""
        try:
            await asyncio.wait_for(self._news.wait(), HEARTBEAT)
        except TimeoutError:
            return False
        self._news.clear()
        return True
