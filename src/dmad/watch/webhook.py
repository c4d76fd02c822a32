"""Sends messages to a webhook, with one HTTP POST for each message."""

from __future__ import annotations

from hashlib import sha256

import httpx

from dmad.errors import require
from dmad.watch.outbox import ANSWER_TIMEOUT, Deliver


def webhook(url: str) -> Deliver:
    """Return a function that posts a message as JSON.

    The function raises an exception if the status of the answer is not 2xx. It follows no
    redirection, because the message could be lost. Each message has an `Idempotency-Key` header. If
    a message is sent again, its key is the same.

    Args:
        url: `http(s)://[user:password@]host…`; special characters of user and password are
            percent-encoded, as in any URL.

    Raises:
        DmadError: The URL is not the address of a web server.
    """
    address = _parse(url)
    require(address is not None, "this is no address of a webhook; give http(s)://host/path")
    assert address is not None
    client = httpx.Client(timeout=ANSWER_TIMEOUT, follow_redirects=False)

    def deliver(message: str) -> None:
        key = sha256(message.encode()).hexdigest()[:32]
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        client.post(address, content=message, headers=headers).raise_for_status()

    return deliver


def _parse(url: str) -> httpx.URL | None:
    """Parse a URL; None if it is not the address of a web server."""
    try:
        address = httpx.URL(url)
        port, host = address.port, address.host
    except Exception:  # the library for international names has its own errors
        return None
    plain_host = bool(host) and not set(" %") & set(host)  # a space can be encoded as %20
    valid = address.scheme in ("http", "https") and plain_host
    return address if valid and (port is None or 0 < port < 2**16) else None
