"""Checks who may use the console: token, session cookie, and the headers of every request."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

COOKIE = "dmad_session"
SESSION = 12 * 3600  # seconds that a session lasts
OPEN = ("/login", "/static/console.css", "/static/icon.svg")  # paths that need no token
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
UPLOADS = "/api/inspect"  # path of large bodies; `read_image` limits their size
STREAM = "/api/stream"  # path whose answer does not end
LARGEST_BODY = 200_000  # bytes of a body at all other paths
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer", browsers send no origin with forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Sessions:
    """Checks the token, and makes session cookies from it.

    A cookie holds the time at which it ends, signed with the token. So nothing is stored, and a new
    token ends all sessions.

    Args:
        token: The token. Empty: everybody on this machine may use the console.
    """

    def __init__(self, token: str) -> None:
        self.token = token

    def is_token(self, given: str) -> bool:
        """True if a text is the token. The time of the comparison reveals nothing of the token."""
        digests = (hashlib.sha256(text.encode()).digest() for text in (given, self.token))
        return bool(self.token) and hmac.compare_digest(*digests)

    def cookie(self) -> str:
        """Return the value of a new session cookie."""
        ends = str(int(time.time()) + SESSION)
        return f"{ends}.{self._signature(ends)}"

    def is_session(self, cookie: str) -> bool:
        """True if the method `cookie` made this cookie, and its session has not expired."""
        ends, _, signature = cookie.partition(".")
        if not re.fullmatch(r"\d{1,12}", ends):
            return False
        genuine = hmac.compare_digest(self._signature(ends).encode(), signature.encode())
        return genuine and int(ends) > time.time()

    def allows(self, headers: Headers) -> bool:
        """True if a request has the token or a session, or if there is no token."""
        if not self.token:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_token(given.strip())
        return self.is_session(cookie_of(headers))

    def _signature(self, ends: str) -> str:
        return hmac.new(self.token.encode(), f"session {ends}".encode(), "sha256").hexdigest()


def cookie_of(headers: Headers) -> str:
    """Return the session cookie of a request; empty without one."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


class Guard:
    """Checks each request before the console sees it, and adds headers to each answer.

    Args:
        app: The console.
        sessions: Says who may use the console.
        local_only: True: a request is answered only if its header `Host` names this machine. So
            a page from the internet cannot reach the console through another host name.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, local_only: bool) -> None:
        self.app, self.sessions, self.local_only = app, sessions, local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no WebSockets
            await send({"type": "websocket.close", "code": 1008})
            return
        headers, path = Headers(scope=scope), scope["path"]

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), path)
            await send(message)

        refusal = self._refusal(scope["method"], path, headers)
        if refusal is None:
            if scope["method"] == "HEAD" and path != STREAM:  # the server sends no body
                scope = {**scope, "method": "GET"}
            await self.app(scope, receive, send_safely)
        elif refusal[0] == 401 and "text/html" in headers.get("accept", ""):
            await _answer(send_safely, 303, b"", {"location": "/login"})
        else:
            status, text = refusal
            body = json.dumps({"error": text}).encode()
            await _answer(send_safely, status, body, {"content-type": "application/json"})

    def _refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Return status and text for a request that is refused; None if it is allowed."""
        host = headers.get("host", "")
        name = re.sub(r":\d*$", "", host).lower()
        if self.local_only and name not in LOCAL_NAMES:
            return 421, "open the console as http://127.0.0.1 or http://localhost"
        if path not in OPEN and not self.sessions.allows(headers):
            return 401, "send the token: `Authorization: Bearer TOKEN`, or sign in at /login"
        if method not in SAFE and is_cross_site(headers, host):
            return 403, "this request comes from another site; send it from the console itself"
        return None if path == UPLOADS else _refusal_of_body(headers)


def _refusal_of_body(headers: Headers) -> tuple[int, str] | None:
    """Return status and text if a body is too large or does not state its length, else None."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal():
        return 411, "state the length of the body in the header Content-Length"
    if int(length[:20]) > LARGEST_BODY:
        return 413, f"the body is larger than {LARGEST_BODY} bytes; send less"
    return None


def is_cross_site(headers: Headers, host: str) -> bool:
    """True if a browser says that another site has caused the request."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:  # newer browsers send this header by TLS, and to this machine
        return site not in ("same-origin", "none")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def _add_headers(headers: MutableHeaders, path: str) -> None:
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["cache-control"] = "no-cache" if path.startswith("/static/") else "no-store"


async def _answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    headers = {**headers, "content-length": str(len(body))}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
