import socket
import threading
import time

import httpx
import pytest

from dmad.errors import DmadError
from dmad.serve.server import make_server, open_socket


def test_a_port_in_use_is_one_line():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DmadError, match=f"cannot listen on 127.0.0.1 port {port}"):
            open_socket("127.0.0.1", port)


def test_an_idle_connection_stays_open_longer_than_clients_keep_it(make_console, video_model):
    listener = open_socket("127.0.0.1", 0)
    server = make_server(make_console(video_model), listener)
    listener.close()
    usual = httpx.Limits().keepalive_expiry
    assert server.config.timeout_keep_alive > 2 * usual


def test_the_server_answers_and_stops_while_a_page_listens(make_console, video_model, logged):
    console, listener = make_console(video_model), open_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = make_server(console, listener)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        answer = client.get("/api/health")
        assert answer.json()["status"] == "ok"
        assert "server" not in answer.headers
        for path in ("/", "/api/health", "/static/console.css", "/api/stream"):
            answer = client.head(path)
            assert (answer.status_code, answer.content) == (200, b""), path
        assert client.head("/nothing").status_code == 404
        with client.stream("GET", "/api/stream") as live:
            lines = live.iter_lines()
            assert next(lines) == "retry: 2000"
            start = time.monotonic()
            server.stop()
            thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - start < 4
    listener.close()
    assert f"the console is at http://127.0.0.1:{port}" in logged()
