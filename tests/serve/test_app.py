import asyncio

import pytest

from dmad.serve import app as module
from dmad.serve.inspection import BusyError


def test_a_failure_inside_is_no_traceback_for_the_client(
    make_console, video_model, client_of, monkeypatch
):
    console = make_console(video_model)
    monkeypatch.setattr(console, "health", lambda: 1 / 0)
    answer = client_of(console).get("/api/health")
    assert answer.status_code == 500
    assert answer.json() == {"error": "the request has failed; the log of dmad serve says why"}


def test_a_full_queue_says_when_to_come_back(
    make_console, image_model, client_of, good, monkeypatch
):
    console = make_console(image_model)

    def busy(upload):
        raise BusyError("64 images wait already; send it again later")

    monkeypatch.setattr(console.stations["discs"], "judge", busy)
    answer = client_of(console).post("/api/inspect", content=good.read_bytes())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_body_that_is_no_json_is_named_so(make_console, video_model, client_of):
    client = client_of(make_console(video_model))
    headers = {"content-type": "application/json"}
    answer = client.post("/api/events/1/mark", content="{bad", headers=headers)
    assert answer.json()["error"].startswith("the body: JSON")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/events/x", None, 422),
        ("GET", "/api/events/0", None, 422),
        ("GET", f"/api/events/{10**30}", None, 422),
        ("GET", "/api/nothing", None, 404),
        ("PUT", "/api/events", None, 405),
        ("POST", "/api/events/1/mark", "no json", 422),
        ("POST", "/api/events/1/mark", '{"mark": "boring"}', 422),
        ("POST", "/api/events/1/mark", '{"mark": "seen"}', 404),
        ("POST", "/api/cameras", '{"name": "a", "source": "\\ud800"}', 422),
    ],
)
def test_errors_are_json_that_says_what_to_do(
    make_console, video_model, client_of, method, path, body, status
):
    client = client_of(make_console(video_model))
    headers = {"content-type": "application/json"}
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert len(answer.json()["error"]) > 10


def test_the_state_of_cameras_is_sent_to_open_pages(make_console, video_model, monkeypatch):
    monkeypatch.setattr(module, "STATUS_PERIOD", 0.01)
    console = make_console(video_model)

    async def listen() -> bytes:
        listening = console.hub.listen()
        await anext(listening)
        task = asyncio.create_task(module._send_status(console))
        heard = await asyncio.wait_for(anext(listening), 5)
        task.cancel()
        await listening.aclose()
        return heard

    assert asyncio.run(listen()) == b"event: status\ndata: []\n\n"
