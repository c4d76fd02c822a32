"""A web server fails at random. Each message arrives, in order, and never with another key."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dmad.watch.outbox import Outbox, Retries
from dmad.watch.webhook import webhook

FAST = Retries(first=0.01, longest=0.05)


class Server(ThreadingHTTPServer):
    """Answers at random: with success, an error, half an answer or none."""

    daemon_threads = True

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.received: dict[str, str] = {}  # message by its key, in order of arrival
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Handles the messages of one connection."""

    server: Server

    def do_POST(self) -> None:
        """Take a message, or fail."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        choice = self.server.rng.random()
        if choice < 0.3:
            self.send_error(self.server.rng.choice((301, 404, 429, 500, 503)))
            return
        if choice < 0.4:
            self.close_connection = True  # no answer
            return
        key = self.headers["Idempotency-Key"]
        assert self.server.received.setdefault(key, body) == body
        if choice < 0.5:
            self.wfile.write(b"HTTP/1.1 2")  # the message was taken, but the answer is cut off
            self.close_connection = True
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(rng: random.Random) -> Iterator[Server]:
    server = Server(rng)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def attack(rng: random.Random, folder: Path) -> str:
    """Send messages in several processes' lives, one after the other."""
    lines = [json.dumps({"n": number}) for number in range(rng.randrange(1, 40))]
    cuts = sorted(rng.randrange(len(lines) + 1) for _ in range(2))
    with serving(random.Random(rng.random())) as server:
        url = f"http://127.0.0.1:{server.server_port}/in"
        for start, end in ((0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], len(lines))):
            part, is_last = lines[start:end], end == len(lines)
            retries = Retries(FAST.first, FAST.longest, closing=200.0 if is_last else 0.0)
            outbox = Outbox(folder / "spool.db", webhook(url), "the webhook", retries)
            for line in part:
                outbox.send(line)
            outbox.close()
        assert list(server.received.values()) == lines
    return "failing webhook"
