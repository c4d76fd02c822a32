import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from dmad.errors import DmadError
from dmad.watch.webhook import webhook


class Server(ThreadingHTTPServer):
    """Keeps what is posted to it, and answers with a status that the test sets."""

    def __init__(self):
        self.status, self.posts = 204, []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/in"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posts.append((body, self.headers))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", f"{self.server.url}/login")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_message_is_posted_as_json(server):
    webhook(server.url)('{"n": 1}')
    ((body, headers),) = server.posts
    assert body == '{"n": 1}'
    assert headers["Content-Type"] == "application/json"


def test_a_message_has_the_same_key_each_time_and_another_message_another(server):
    deliver = webhook(server.url)
    for message in ("a", "a", "b"):
        deliver(message)
    first, again, other = (headers["Idempotency-Key"] for _, headers in server.posts)
    assert first == again != other
    assert len(first) == 32


@pytest.mark.parametrize("status", [302, 404, 503])
def test_any_answer_but_success_is_an_error(server, status):
    """A redirection too: following it would send a GET, without the message."""
    server.status = status
    with pytest.raises(httpx.HTTPStatusError):
        webhook(server.url)("{}")


def test_user_and_password_are_sent_in_a_header(server):
    url = server.url.replace("://", "://me:s3%40cret@")
    webhook(f"{url}?to=@channel")("{}")
    ((_, headers),) = server.posts
    assert headers["Authorization"] == "Basic bWU6czNAY3JldA=="


def test_an_at_sign_in_the_path_is_no_user(server):
    webhook(f"{server.url}/ops@example.com?to=@channel")("{}")
    ((_, headers),) = server.posts
    assert headers["Authorization"] is None


@pytest.mark.parametrize(
    "url",
    [
        "host/in",
        "ftp://host/in",
        "http://",
        "http://[::1",
        "http://[zz]/in",
        "http://host:99999/in",
        "http://host:0/in",
        "http://host:port/in",
        "http://xn--/in",
        "http://a b/in",
        "http://host\0/in",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(DmadError, match="is no address of a webhook"):
        webhook(url)
