"""Hundreds of wild requests: no failure inside, no file outside the folder, no way past the token.

The seed is fixed. `DMAD_FUZZ=2000 pytest tests/serve/test_fuzz.py` sends more of them.
"""

import os
import random
from pathlib import Path

import pytest

TOKEN = "0123456789abcdef"
COUNT = int(os.environ.get("DMAD_FUZZ", "300"))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY")
PLACES = ("/", "/events", "/events/{}", "/cameras/{}", "/inspect", "/weeks", "/system", "/api",
          "/static/{}", "/live/{}.jpg", "/api/health", "/metrics", "/api/events", "/api/parts",
          "/api/events/{}", "/api/events/{}/film", "/api/events/{}/mark", "/api/parts/{}/{}",
          "/api/cameras", "/api/cameras/{}", "/api/cameras/{}/threshold", "/api/threshold",
          "/api/threshold/undo", "/api/inspect", "/api/export.csv", "/api/export.html",
          "/api/histogram", "/api/openapi.json", "/login", "/logout", "/{}")  # fmt: skip
VALUES = ("1", "0", "-1", "99999999999999999999", "1.5", "nan", "null", "%00", "..",
          "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/secret", "\\..\\secret",
          "' OR 1=1 --", "<script>", "%",
          "%ff%fe", "é", "a" * 3000, "/etc/passwd", "file:///etc/passwd", "{{7*7}}", "${x}",
          "\t")  # fmt: skip
QUERIES = ("camera", "day", "mark", "before", "limit", "model", "name", "keep", "heat", "token")
BODIES = (b"", b"{}", b"[]", b"null", b'{"mark":"seen"}', b'{"mark":"normal","force":true}',
          b'{"threshold":1e308}', b'{"threshold":-1}', b'{"threshold":NaN}', b'{"name":"\\ud800"}',
          b'{"name":"a","source":"/etc/passwd"}', b'{"name":"a","source":"file:///etc/passwd"}',
          b'{"name":"../x","source":"rtsp://127.0.0.1:1/a"}', b'{"include":[[[0,0],[1,1]]]}',
          b'{"fps":1e400}', b"[" * 5000, b"\xff\xfe\x00", b"token=x", b"x" * 250_000,
          b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"GIF89a\xff\xff\xff\xff\0\0\0")  # fmt: skip
KINDS = ("application/json", "image/png", "multipart/form-data; boundary=x",
         "multipart/form-data",
         "application/x-www-form-urlencoded", "text/html", "é", "",
         "application/json; charset=x")  # fmt: skip
HEADERS = (("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"),
           ("range", "bytes=-"), ("range", "bytes=5-1"), ("if-modified-since", "x"),
           ("cookie", "dmad_session=1.x"),
           ("cookie", "\x01=;;"), ("accept", "text/html"), ("host", "evil.example"),
           ("content-length", "-1"), ("authorization", "Bearer wrong"), ("expect", "100-continue"),
           ("x-forwarded-host", "evil"), ("accept-encoding", "x"), ("te", "chunked"))  # fmt: skip


def wild_request(rng: random.Random) -> dict:
    """Arguments of a request."""
    place = rng.choice(PLACES)
    while "{}" in place:
        place = place.replace("{}", rng.choice(VALUES), 1)
    count = rng.choice((0, 0, 1, 2))
    query = "&".join(f"{rng.choice(QUERIES)}={rng.choice(VALUES)}" for _ in range(count))
    headers = dict(rng.choice(HEADERS) for _ in range(rng.choice((0, 0, 1, 2))))
    if kind := rng.choice(KINDS):
        headers["content-type"] = kind
    return {
        "method": rng.choice(METHODS[:5] if rng.random() < 0.8 else METHODS),
        "url": f"http://localhost{place}?{query}".replace("\t", "%09"),
        "headers": {name: value.encode("utf-8") for name, value in headers.items()},
        "content": rng.choice(BODIES),
    }


def send(client, request: dict):
    """The answer to a request; None if the client itself cannot send it."""
    import httpx

    try:
        return client.request(**request, follow_redirects=False)
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError, ValueError):
        return None


def files_outside(folder: Path, inside: Path) -> dict[Path, bytes]:
    """The files of a folder that are not inside another, and their content."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in found if not path.is_relative_to(inside)}


def check(console, client, folder: Path, count: int, seed: int = 7) -> dict[int, int]:
    """Send wild requests. Returns how many answers had which status."""
    before = files_outside(folder, console.folder)
    rng = random.Random(seed)
    statuses: dict[int, int] = {}
    for index in range(count):
        request = wild_request(rng)
        answer = send(client, request)
        if answer is None:
            continue
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (index, request, answer.text[:500])
        assert "Traceback" not in answer.text, request
        assert "root:" not in answer.text, request
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert files_outside(folder, console.folder) == before
    assert client.get("/api/health").status_code == 200
    return statuses


@pytest.fixture
def console(make_console, video_model, image_model, event):
    console = make_console(video_model, image_model)
    console.events.add(event(clip="../../secret"))
    return console


def test_wild_requests_are_answered_and_reach_nothing(console, client_of, tmp_path):
    (tmp_path / "secret").write_text("root: secret")
    statuses = check(console, client_of(console), tmp_path, COUNT)
    assert len(statuses) >= 6  # of each kind: found, refused, not found, …
    assert statuses[200] > COUNT / 20


def test_wild_requests_without_the_token_get_nothing(
    make_console, video_model, client_of, tmp_path
):
    (tmp_path / "token").write_text(TOKEN)
    console = make_console(video_model, token_file=tmp_path / "token")
    client, rng = client_of(console), random.Random(8)
    for _ in range(COUNT):
        request = wild_request(rng)
        if request["url"].split("?")[0].endswith("/login"):
            continue  # takes half a second for each wrong token
        answer = send(client, request)
        assert answer is None or answer.status_code in (303, 401), request
        assert answer is None or answer.headers.get("location", "/login") == "/login"
