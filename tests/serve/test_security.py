import time

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dmad.serve.security import COOKIE, HEADERS, Guard, Sessions, is_cross_site

TOKEN = "0123456789abcdef"


def client(token: str = "", local_only: bool = True, host: str = "localhost") -> TestClient:
    app = Guard(PlainTextResponse("inside"), Sessions(token), local_only)
    return TestClient(app, f"http://{host}", follow_redirects=False)


def test_every_answer_has_the_security_headers():
    answers = [client().get("/"), client(TOKEN).get("/"), client(host="evil.example").get("/")]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_without_a_token_only_names_of_this_machine_are_answered():
    assert client().get("/").text == "inside"
    assert client(host="127.0.0.1:8420").get("/").status_code == 200
    rebound = client(host="evil.example").get("/")  # a name of the internet for 127.0.0.1
    assert (rebound.status_code, "localhost" in rebound.json()["error"]) == (421, True)


def test_with_a_token_nothing_is_answered_without_it():
    for path in ("/", "/api/events", "/metrics", "/live/1.jpg", "/static/common.js", "//login"):
        answer = client(TOKEN).get(path)
        assert (answer.status_code, "token" in answer.json()["error"]) == (401, True)
    page = client(TOKEN).get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert client(TOKEN).get("/login").text == "inside"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Bearer wrong", 401),
        ("Bearer é", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
    ],
)
def test_a_program_sends_the_token_in_a_header(header, status):
    headers = {"authorization": header.encode("latin1")}
    assert client(TOKEN).get("/", headers=headers).status_code == status


def test_a_token_in_the_address_is_ignored():
    assert client(TOKEN).get(f"/?token={TOKEN}").status_code == 401


def test_a_session_cookie_ends_and_cannot_be_made_without_the_token(monkeypatch):
    sessions = Sessions(TOKEN)
    cookie = sessions.cookie()
    assert sessions.is_session(cookie)
    assert not Sessions("another token 12").is_session(cookie)
    ends, signature = cookie.split(".")
    assert not sessions.is_session(f"{int(ends) + 1}.{signature}")
    assert not sessions.is_session("")
    assert not sessions.is_session("9" * 13 + ".x")
    assert TOKEN not in cookie
    headers = Headers({"cookie": f"{COOKIE}={cookie}"})
    assert sessions.allows(headers)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 13 * 3600)
    assert not sessions.allows(headers)


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),  # a program
        ({"origin": "http://localhost", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "http://[broken"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost"}, True),
    ],
)
def test_posts_of_other_sites_are_refused(headers, refused):
    assert is_cross_site(Headers(headers), "localhost") == refused
    assert client().post("/", headers=headers).status_code == (403 if refused else 200)
    assert client().get("/", headers=headers).status_code == 200


def test_websockets_are_refused():
    with (
        pytest.raises(WebSocketDisconnect) as refusal,
        client().websocket_connect("/api/stream"),
    ):
        pass
    assert refusal.value.code == 1008


def test_a_broken_cookie_is_no_session():
    assert not Sessions(TOKEN).allows(Headers({"cookie": "a=\x01;;=;"}))


def test_large_bodies_are_refused_before_they_are_read():
    assert client().post("/api/cameras", content=b"x" * 300_000).status_code == 413
    assert client().post("/api/cameras", content=iter([b"x"])).status_code == 411
    assert client().post("/api/inspect", content=iter([b"x"])).status_code == 200
