import re
import time

import pytest
from waiting import until

from dmad.serve.security import COOKIE
from dmad.watch.cameras import Camera

TOKEN = "0123456789abcdef"
HTML = {"accept": "text/html"}
PAGES = ("/", "/events", "/events/1", "/cameras/1", "/cameras/new", "/weeks", "/inspect", "/system",
         "/api")  # fmt: skip


@pytest.fixture
def client(make_console, video_model, image_model, event, tmp_path, client_of):
    """A client of a console with an event of a camera that could not be opened."""
    camera = Camera(str(tmp_path / "none.mp4"), "<i>gate")
    console = make_console(video_model, image_model, cameras=[camera])
    console.events.add(event(source="<i>gate"), scores=[(8.0, 1.0), (11.0, 5.0)])
    return client_of(console)


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_no_inline_code_and_escape_every_name(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<i>gate" not in answer.text
    scripts = re.findall(r"<script([^>]*)>", answer.text)
    assert all('src="/static/' in one or 'type="application/json"' in one for one in scripts)
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", answer.text)
    assert not re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", answer.text)


def test_words_of_code_on_the_page_of_the_interface_have_no_quotes(client):
    page = client.get("/api").text
    assert "<code>picture</code>" in page
    assert "`" not in re.sub(r"(?s)<pre>.*?</pre>", "", page)


def test_sentences_about_storage_have_spaces_between_them(client):
    page = client.get("/system").text
    assert "are deleted after 30 days. If they need" in re.sub(r"\s+", " ", page)


def test_a_camera_that_does_not_answer_says_what_to_do(make_console, video_model, client_of):
    camera = Camera("http://127.0.0.1:9/stream", "gate")
    client = client_of(make_console(video_model, cameras=[camera]))
    until(lambda: client.get("/api/cameras/1").json()["state"] == "lost")
    assert "does not answer" in client.get("/cameras/1").text
    assert "does not answer" in client.get("/api/health").json()["cameras"][0]["problem"]


def test_static_files_come_from_a_list(client):
    assert client.get("/static/common.js").headers["content-type"].startswith("text/javascript")
    assert "--paper" in client.get("/static/console.css").text
    for name in ("base.html", "texts.json", "..%2fapp.py", "%2e%2e/app.py", "x" * 5000):
        assert client.get(f"/static/{name}").status_code == 404


def test_pages_of_what_does_not_exist_say_so(client):
    for path in ("/events/99", "/cameras/99", "/nothing"):
        answer = client.get(path, headers=HTML)
        assert answer.status_code == 404
        assert "This did not work" in answer.text
    assert client.get("/events/99").json()["error"] == "there is no event 99"


def test_a_page_of_ten_thousand_events_is_quick(make_console, video_model, fill, client_of):
    console = make_console(video_model)
    with console.store.writing() as connection:  # one transaction, so that it is written quickly
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.executemany(
            "INSERT INTO events (id, camera, state, live, raised, day, start, peak, score, "
            "threshold, term, box) VALUES (?, ?, 'end', 1, 1, ?, 1, 1, 5, 4, 'deformation', "
            "'[0, 0, 1, 1]')",
            [(str(i), f"c{i % 8}", f"2026-01-{1 + i % 28:02}") for i in range(10_000)],
        )
    client = client_of(console)
    client.get("/events")
    start = time.perf_counter()
    page = client.get("/events").text
    assert time.perf_counter() - start < 1.0  # 0.02 s on a free machine
    assert "10000 events" in page
    assert page.count('class="event card"') == 30
    older = re.search(r'href="(/events\?before=\d+)"', page)[1]
    assert client.get(older).text.count('class="event card"') == 30


def test_without_a_model_of_one_kind_its_pages_lead_to_the_other(
    make_console, image_model, client_of
):
    client = client_of(make_console(image_model))
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/inspect")
    assert "/events" not in client.get("/inspect").text


def test_signing_in_gives_a_safe_cookie(make_console, video_model, client_of, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    client = client_of(make_console(video_model, token_file=tmp_path / "token"))
    assert client.get("/", headers=HTML).url.path == "/login"
    wrong = client.post("/login", data={"token": "wrong"})
    assert (wrong.status_code, "This is not the token" in wrong.text) == (401, True)
    right = client.post("/login", data={"token": TOKEN}, follow_redirects=False)
    cookie = right.headers["set-cookie"].lower()
    assert right.status_code == 303
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert client.cookies[COOKIE]
    assert client.get("/").status_code == 200
    client.post("/logout")
    assert client.get("/api/events").status_code == 401
