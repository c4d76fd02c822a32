"""The page of a scan."""

import time
from contextlib import closing

import pytest
from PIL import Image

from dmad.scan.archive import ArchiveSource
from dmad.scan.drawing_task import drawing_name, picture_path
from dmad.scan.merge import FoundEvent, Totals
from dmad.scan.page import hour_rows, months, write_page
from dmad.scan.parts import PartInfo, SourceOutcome
from dmad.scan.plan import Plan

EVIL = "<img src=x onerror=alert(1)>.mp4"


@pytest.fixture
def filled(tmp_path):
    """A plan of two views, with a number of events of the first film."""
    plans = []

    def fill(events: int, left_out: int = 2) -> Plan:
        (tmp_path / "parts").mkdir()
        plan = Plan(tmp_path / "plan.sqlite", tmp_path / "parts")
        plans.append(plan)
        films = [
            ArchiveSource("/a/gate/one.mp4", 5, "1", "gate"),
            ArchiveSource(f"/a/yard/{EVIL}", 5, "1", "yard"),
        ]
        bad = [ArchiveSource(f"/a/{n}.pdf", 1, "1", "a", "foreign <b>") for n in range(left_out)]
        plan.add_sources([*films, *bad])
        for number, film in enumerate(films):
            outcome = SourceOutcome(
                film.path, film.size, film.stamp, rows=9, recorded="2026-03-01T08:00:00",
                clock="name",
            )  # fmt: skip
            plan.add_result(f"part{number}", PartInfo(film.view, (outcome,)))
            count = events if number == 0 else 1
            found = (
                (
                    FoundEvent(n, n + 1, n + 0.5, 100 + n / 8, 5.0, "error"),
                    f"2026-03-{1 + n % 28:02d}T{n % 24:02d}:00:00",
                )
                for n in range(count)
            )
            plan.add_events(film.path, film.view, found)
        return plan

    yield fill
    for plan in plans:
        plan.close()


def write(plan: Plan, out) -> str:
    write_page(plan, out, Totals(films=2, frames=18, events=3, seconds=7200), "frames")
    return (out / "index.html").read_text()


def test_the_page_says_what_was_found_and_left_out(filled, tmp_path):
    text = write(filled(2), tmp_path)
    assert "3 events in 2 sources" in text
    assert "2.0 hours of recordings with 18 frames were judged. 2 files could not" in text
    assert "the name of the source or its folders (2)" in text
    assert "<img src=x" not in text
    assert "foreign <b>" not in text
    assert (tmp_path / "index.html").stat().st_mode & 0o077 == 0


def test_the_page_of_images_speaks_of_images(filled, tmp_path):
    write_page(filled(2), tmp_path, Totals(images=2, frames=2, events=3), "images")
    text = (tmp_path / "index.html").read_text()
    assert '<h2 id="hours-title">Anomalous images by hour and view' in text
    assert "that the image does not look" in text
    assert "that the frame does not look" not in text


def test_the_heat_map_counts_by_view_and_hour(filled):
    gate, yard = hour_rows(filled(30))
    assert (gate.view, yard.view) == ("gate", "yard")
    assert [cell.count for cell in gate.cells[:7]] == [2] * 6 + [1]
    assert gate.cells[0].part == 1.0
    assert yard.cells[0].count == 1


def test_the_calendar_shows_days_with_recordings(filled):
    (month,) = months(filled(3))
    assert month.name == "March 2026"
    days = [day for week in month.weeks for day in week if day.number]
    assert len(days) == 31
    assert [day.events for day in days[:4]] == [2, 1, 1, 0]
    assert days[0].recorded
    assert not days[1].recorded


def test_a_model_without_a_threshold_has_no_events_but_highest_scores(tmp_path):
    (tmp_path / "parts").mkdir()
    with closing(Plan(tmp_path / "plan.sqlite", tmp_path / "parts")) as plan:
        film = ArchiveSource("/a/one.mp4", 5, "1", "gate")
        plan.add_sources([film])
        plan.add_result("part", PartInfo("gate", (SourceOutcome(film.path, 5, "1", rows=9),)))
        plan.add_events(film.path, "gate", [(FoundEvent(1, 1, 1, 0.5, float("nan")), "")])
        text = write(plan, tmp_path)
    assert "Highest scores of 1 source" in text
    assert "no threshold" in text


@pytest.mark.usefixtures("quiet")
def test_a_hundred_thousand_events_are_listed_page_by_page(filled, browser, tmp_path):
    plan = filled(100_000, left_out=250)
    strongest = drawing_name(plan.source("/a/gate/one.mp4"), 99_999.5)
    picture = picture_path(tmp_path, strongest)
    picture.parent.mkdir()
    Image.new("RGB", (32, 32)).save(picture)
    write(plan, tmp_path)
    start = time.monotonic()
    browser.open(tmp_path / "index.html", 1200)
    assert time.monotonic() - start < 15
    browser.becomes(lambda: browser.count(".card"), 48)
    browser.shows("#shown", "100000 of 100000 events")
    browser.shows("#pager span", "page 1 of 2084")
    assert browser.find(".card img").get_attribute("src").endswith(f"{strongest}.webp")
    start = time.monotonic()
    browser.find("#pager button:last-child").click()
    browser.shows("#pager span", "page 2 of 2084")
    browser.run("document.getElementById('view').value = 'yard';"
                "document.getElementById('view').dispatchEvent(new Event('change'))")  # fmt: skip
    browser.shows("#shown", "0 of 100000 events")  # the weakest one is not listed
    browser.find(".heat .cell").click()
    browser.shows("#chosen span", "0 h")
    browser.shows(".month .cell small", "1")
    browser.find(".month .cell").click()
    browser.shows("#chosen span", "2026-03-01")
    assert time.monotonic() - start < 15
    assert browser.count("#left tbody tr") == 100
    browser.shows("#left-pager span", "page 1 of 3")
    assert browser.count('img[src="x"]') == 0
