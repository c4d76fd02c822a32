"""Runs the console until Ctrl-C."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from types import FrameType

import uvicorn

from dmad.errors import DmadError
from dmad.serve.app import create_app
from dmad.serve.console import Console

logger = logging.getLogger(__name__)

BACKLOG = 256
SHUTDOWN = 5  # seconds for requests in progress
KEEP_ALIVE = 30  # seconds that an idle connection stays open; longer than usual clients keep it


class Server(uvicorn.Server):
    """The server of a console.

    Args:
        config: The settings of the server.
        console: The console.
        address: Address of the console. It is logged when the server is ready.
    """

    def __init__(self, config: uvicorn.Config, console: Console, address: str) -> None:
        super().__init__(config)
        self._console, self._address = console, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and log the address."""
        await super().startup(sockets)
        logger.info(f"the console is at {self._address} (Ctrl-C stops it)")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop after Ctrl-C or SIGTERM."""
        self._console.hub.close()  # live connections would keep the server waiting
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Stop the server. Another thread may call this."""
        self._console.hub.close()
        self.should_exit = True


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        DmadError: The address or port cannot be used.
    """
    listener = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        if listener:
            listener.close()
        raise DmadError(
            f"cannot listen on {host} port {port} ({error.strerror or error}); choose another "
            "--port, or stop the program that uses this port"
        ) from error
    return listener


def run_server(console: Console, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM.

    Args:
        console: The console.
        listener: The socket of `open_socket`.
    """
    server = make_server(console, listener)
    with suppress(KeyboardInterrupt):  # uvicorn sends the signal again after it has stopped
        server.run(sockets=[listener])


def make_server(console: Console, listener: socket.socket) -> Server:
    """Return the server of a console. The server does not run yet."""
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(console),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN,
        timeout_keep_alive=KEEP_ALIVE,
    )
    return Server(
        config, console, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    )
