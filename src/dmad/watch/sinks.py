"""Where lines about events go: standard output, a file, a webhook, MQTT.

What goes over a network is first written to a spool on disk and sent from there, one line after
another: a receiver that is away gets everything, in order, when it is back, even if this process
was stopped in between.
"""

from __future__ import annotations

import logging
import os
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from filelock import FileLock, Timeout

from dmad.errors import DmadError, brief, require
from dmad.files import make_folder, write_whole

logger = logging.getLogger(__name__)

FIRST, LONGEST = 0.5, 10.0  # seconds between attempts, doubled from one to the other

TIMEOUT = 10.0  # seconds for an answer

BLOCK = 2**16  # bytes read at a time

PARTING = 5.0  # seconds that remain for sending when all else is over

Deliver = Callable[[str], None]


class Sink(Protocol):
    """Takes lines."""

    def put(self, line: str) -> None:
        """Take one line."""

    def close(self) -> None:
        """No line comes any more."""


class Printed:
    """Lines on standard output, at once."""

    def put(self, line: str) -> None:
        """Take one line."""
        print(line, flush=True)

    def close(self) -> None:
        """Nothing is held back."""


class Appended:
    """Lines appended to a file."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        mend(path)
        self._file = path.open("a", buffering=1)

    def put(self, line: str) -> None:
        """Take one line."""
        self._file.write(line + "\n")

    def close(self) -> None:
        """Close the file; what a full disk did not take was told of before."""
        with suppress(OSError):
            self._file.close()


class Outbox:
    """Sends lines from a spool on disk, each once, in order, until each has arrived.

    Only where this machine fails between an answer and its note on disk is a line sent twice;
    the receiver knows it by its key.

    Args:
        spool: File of the lines not yet sent; beside it lies how far sending has come.
        deliver: Sends one line, and raises where that fails.
        name: For messages.
    """

    def __init__(self, spool: Path, deliver: Deliver, name: str) -> None:
        make_folder(spool.parent)
        self.name, self._deliver = name, deliver
        self._spool, self._mark = spool, spool.with_suffix(".sent")
        self._alone = FileLock(spool.with_suffix(".lock"))
        try:
            self._alone.acquire(timeout=0)
        except Timeout as error:
            raise DmadError(
                f"{spool} is that of another `dmad watch`; give each its own --out or --spool"
            ) from error
        mend(spool)
        self._file = spool.open("a+b")
        self._sent = _number(self._mark)
        self._lock, self._away = threading.Lock(), False
        self._news, self._idle, self._closing = (threading.Event() for _ in range(3))
        self._news.set()  # of the last time
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Take one line: it is on disk when this returns."""
        with self._lock:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            self._idle.clear()
        self._news.set()

    def close(self) -> None:
        """Send for `PARTING` seconds what is left; the rest waits on disk for the next time."""
        self._idle.wait(PARTING)
        self._closing.set()
        self._news.set()
        self._thread.join(TIMEOUT + 1)
        waiting = self._spool.stat().st_size - self._sent
        self._file.close()
        self._alone.release()
        if waiting:
            logger.warning(f"{self.name} is away; its lines wait in {self._spool}")

    def _run(self) -> None:
        while not self._closing.is_set():
            self._news.wait()
            self._news.clear()
            pause = FIRST
            while not self._send_all():
                if self._closing.wait(pause):
                    return
                pause = min(2 * pause, LONGEST)

    def _send_all(self) -> bool:
        """Send until nothing is left, or, False, until it fails."""
        while True:
            try:
                if not (line := self._next()):
                    return True
                self._deliver(line.rstrip(b"\n").decode())
                self._sent += len(line)
                write_whole(self._mark, str(self._sent))
            except Exception as error:  # whatever network and disk do, the line stays
                if not self._away:
                    logger.warning(f"{self.name} is away ({brief(error)})")
                self._away = True
                return False
            self._away = False

    def _next(self) -> bytes:
        """The next whole line; empty, and the spool emptied, where all are sent."""
        with self._lock:
            self._file.seek(self._sent)
            line = self._file.readline()
            if line.endswith(b"\n"):
                return line
            write_whole(self._mark, "0")
            self._file.truncate(0)
            self._sent = 0
            self._idle.set()
            return b""


def mend(path: Path) -> None:
    """Cut off what a failing machine left of a last line."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            file.seek(start := max(0, end - BLOCK))
            if (last := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + last + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _number(path: Path) -> int:
    """What a file of one number says; 0 where it says nothing."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


class _Straight(HTTPRedirectHandler):
    """Follows no redirection: it would become a GET, which carries no line."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """None of its own: the answer then is an error."""


def webhook(url: str) -> Deliver:
    """Sends lines as JSON by POST to `http(s)://[user:password@]host…`; an answer but 2xx raises.

    What is no letter or digit in user and password is percent-encoded, as in any URL.

    Each has an `Idempotency-Key` header, the same if it must be sent again.

    Raises:
        DmadError: No such address.
    """
    parts = urlsplit(url)
    good = parts.scheme in ("http", "https") and bool(parts.netloc)
    require(good, "this is no webhook; give http(s)://…")
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    secret = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    known = {"Authorization": f"Basic {secret}"} if user else {}
    address, post = urlunsplit(parts._replace(netloc=host)), build_opener(_Straight).open

    def deliver(line: str) -> None:
        key = sha256(line.encode()).hexdigest()[:32]
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **known}
        with post(Request(address, line.encode(), headers), timeout=TIMEOUT):
            pass

    return deliver


def mqtt(url: str) -> Deliver:
    """Publishes lines at quality of service 1 to `mqtt://[user:password@]host[:port]/topic`.

    Raises:
        DmadError: No such address, or the package paho-mqtt is missing.
    """
    parts = urlsplit(url)
    topic = parts.path.strip("/")
    require(
        parts.scheme == "mqtt" and bool(parts.hostname and topic),
        "this is no MQTT address; give mqtt://host/topic",  # what was given may hold a password
    )
    try:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise DmadError("MQTT needs paho-mqtt; pip install paho-mqtt") from error

    def deliver(line: str) -> None:  # a connection each: what failed is in nobody's queue
        client = paho.Client(CallbackAPIVersion.VERSION2)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        client.connect(str(parts.hostname), parts.port or 1883)
        client.loop_start()
        try:
            message = client.publish(topic, line, qos=1)
            message.wait_for_publish(TIMEOUT)
            if not message.is_published():
                raise TimeoutError("no answer")
        finally:
            client.disconnect()
            client.loop_stop()

    return deliver
