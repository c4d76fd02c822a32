import io
import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from dmad.predict.index_page import MARK
from dmad.watch import event_page
from dmad.watch.camera_worker import CLIPS, THUMBNAILS
from dmad.watch.cameras import Camera
from dmad.watch.event_page import EventPage, card_of
from dmad.watch.settings import SinkSettings, WatchSettings
from dmad.watch.sinks import open_sinks
from dmad.watch.watch import watch


def message(source: str, start: float, state: str = "end", **more: object) -> str:
    event = {
        "kind": "event",
        "source": source,
        "id": f"{source}-{start:.3f}",
        "state": state,
        "start": start,
        "peak": start + 1,
        "end": start + 2 if state == "end" else None,
        "score": 5.0,
        "threshold": 4.0,
        "term": "reconstruction",
        "clip": "clip",
    }
    return json.dumps({**event, **more})


@pytest.fixture
def page_after(tmp_path) -> Callable[..., str]:
    """Sends messages to a page, and returns its HTML."""

    def run(*messages: str) -> str:
        page = EventPage(tmp_path)
        for one in messages:
            page.send(one)
        page.close()
        return (tmp_path / "index.html").read_text()

    return run


def scores(html: str) -> list[str]:
    return re.findall(r'class="value">([\d.]+)<', html)


def test_the_newest_event_is_first(page_after) -> None:
    html = page_after(
        message("gate", 1.0, score=7.0),
        message("yard", 2.0, score=5.0, term="deformation"),
        json.dumps({"kind": "count", "source": "gate"}),
    )
    assert "<h1>2 events of 2 cameras</h1>" in html
    assert scores(html) == ["5", "7"]
    assert re.findall(r'class="why \w+">(\w+)<', html) == ["deformation", "error"]
    assert re.findall(r'<option value="(\w+)"', html) == ["gate", "yard"]
    assert "<bdi>gate</bdi>, 1.0 s" in html
    assert "2.0 s long" in html
    assert "<code>gate-1.000</code>" in html


def test_before_the_first_event_there_is_a_page(tmp_path) -> None:
    page = EventPage(tmp_path)
    wait_for(tmp_path / "index.html", "No event was found so far")
    page.close()
    assert (tmp_path / "index.html").stat().st_mode & 0o077 == 0


def test_an_event_in_progress_is_shown_and_replaced_by_its_end(tmp_path) -> None:
    page = EventPage(tmp_path)
    page.send(message("gate", 1.0, "new"))
    wait_for(tmp_path / "index.html", "in progress")
    page.send(message("gate", 1.0, score=9.0))
    page.close()
    html = (tmp_path / "index.html").read_text()
    assert "in progress" not in html
    assert scores(html) == ["9"]


def test_a_film_is_linked_as_soon_as_it_is_complete(tmp_path) -> None:
    page = EventPage(tmp_path)
    page.send(message("gate", 1.0))
    wait_for(tmp_path / "index.html", "1 event of 1 camera")
    assert "mp4" not in (tmp_path / "index.html").read_text()
    (tmp_path / CLIPS).mkdir()
    (tmp_path / CLIPS / "gate-1.000.mp4").write_bytes(b"film")
    wait_for(tmp_path / "index.html", 'href="clips/gate-1.000.mp4"')
    page.close()


def wait_for(path: Path, text: str) -> None:
    for _ in range(200):
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"{text!r} does not appear in {path.name}")


def test_events_of_earlier_calls_are_kept(tmp_path, page_after) -> None:
    lines = [message("gate", 1.0, score=7.0), "damaged", message("gate", 9.0)[:-9], '{"kind": 1}']
    incomplete = json.dumps({"kind": "event", "id": "x", "state": "end"})
    (tmp_path / "events.jsonl").write_text("\n".join([*lines, incomplete, ""]))
    assert scores(page_after(message("gate", 2.0))) == ["5", "7"]


def test_a_recording_that_is_watched_again_is_shown_once(page_after) -> None:
    again = [message("a", 1.0, "new"), message("a", 1.0, score=6.0)]
    html = page_after(message("a", 1.0), message("b", 1.0), *again)
    assert scores(html) == ["6", "5"]
    assert "2 events" in html


def test_only_the_newest_are_shown_and_the_others_counted(page_after, monkeypatch) -> None:
    monkeypatch.setattr(event_page, "MOST_EVENTS", 2)
    html = page_after(*(message("a", float(start), score=start) for start in range(1, 6)))
    assert scores(html) == ["5", "4"]
    assert "The 2 newest of 5 events are shown." in html


def test_times_of_live_sources_are_local(tmp_path) -> None:
    start = datetime(2026, 11, 29, 8, 15, 30).timestamp()
    card = card_of(json.loads(message("gate", start)), tmp_path)
    assert card.time == "2026-11-29 08:15:30"


def test_values_are_escaped(page_after) -> None:
    html = page_after(message("<img src=x onerror=alert(1)>", 1.0))
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


@pytest.mark.parametrize("mark", ["mine", MARK.format(verb="predict")])
def test_a_page_of_another_program_is_kept_and_warned_about_once(
    tmp_path, page_after, logged, mark
) -> None:
    (tmp_path / "index.html").write_text(mark)
    assert page_after(message("gate", 1.0), message("gate", 2.0)) == mark
    assert logged().count("is not a page of `dmad watch`") == 1


def test_a_full_disk_gives_one_warning(tmp_path, logged, at_most) -> None:
    with at_most(100):
        EventPage(tmp_path).close()
    assert logged().count("the page is not written: ") == 1
    assert not (tmp_path / "index.html").exists()


def test_a_watch_writes_the_page_and_continues_it(detector, clip, tmp_path) -> None:
    out = tmp_path / "found"
    for name in ("gate", "yard"):
        sinks = open_sinks(SinkSettings(), out, io.StringIO())
        settings = WatchSettings(out, before=0.5, after=0.5)
        assert watch(detector, [Camera(str(clip(name)))], sinks, settings) == 1
    html = (out / "index.html").read_text()
    assert "<h1>2 events of 2 cameras</h1>" in html
    assert html.index("<bdi>yard</bdi>") < html.index("<bdi>gate</bdi>")
    addresses = set(re.findall(r'(?:href|src)="([^"#:]+)"', html))
    assert len(addresses) == 4
    for address in addresses:
        assert address.startswith((CLIPS, THUMBNAILS))
        assert (out / address).is_file()
