"""The page of events in a browser: it works from disk, sends no requests and fits every screen."""

import json
from pathlib import Path

import numpy as np
import pytest
from browser import Browser

from dmad.drawing.pictures import save_png
from dmad.watch.event_page import EventPage

CAMERAS = ("gate", "yard-" + "0123456789" * 8)
SCORES = (5.0, 9.0, 7.0, 6.0)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two cameras with two events each, the newest last in SCORES."""
    folder = tmp_path_factory.mktemp("found")
    lines = []
    for index, score in enumerate(SCORES):
        camera, start = CAMERAS[index % 2], 1790000000.0 + index
        event = {"kind": "event", "source": camera, "id": f"{camera}-{start:.3f}", "state": "end"}
        event |= {"start": start, "end": start + 2, "score": score, "threshold": 4.0}
        lines.append(json.dumps({**event, "term": "reconstruction"}))
        picture = np.zeros((90, 2 * (90 if index % 2 else 160), 3), np.uint8)
        picture[:, : picture.shape[1] // 2] = (200, 60, 20)
        save_png(picture, folder / f"thumbnails/{event['id']}.png")
    (folder / "events.jsonl").write_text("\n".join([*lines, ""]))
    EventPage(folder).close()
    return folder / "index.html"


def shown(browser: Browser) -> list[str]:
    cards = "[...document.querySelectorAll('.card')].filter((card) => card.offsetHeight)"
    scores: list[str] = browser.run(f"return {cards}.map((card) => card.dataset.score)")
    return scores


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_width_and_shows_the_left_half_of_its_pictures(
    browser: Browser, page: Path, width: int
) -> None:
    browser.open(page, width, "dark", touch=width < 500)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    first = "document.querySelector('.card img')"
    browser.until(f"return {first}.naturalWidth > 0")
    image, frame = browser.run(
        f"return [{first}, {first}.parentElement].map((one) => one.getBoundingClientRect().width)"
    )
    assert image == pytest.approx(2 * frame, abs=5)
    assert shown(browser) == ["6.0", "7.0", "9.0", "5.0"]


@pytest.mark.usefixtures("quiet")
def test_events_are_filtered_by_camera_and_ordered_by_score(browser: Browser, page: Path) -> None:
    browser.open(page, 1280)
    browser.find("button[data-order='highest']").click()
    browser.becomes(lambda: shown(browser), ["9.0", "7.0", "6.0", "5.0"])
    browser.find("option[value='gate']").click()
    browser.becomes(lambda: shown(browser), ["7.0", "5.0"])
    browser.shows("#shown", "2 of 4 shown")
    browser.find("button[data-order='newest']").click()
    pressed = "return document.querySelector(\"button[data-order='newest']\").ariaPressed"
    browser.becomes(pressed, "true")
    browser.becomes(lambda: shown(browser), ["7.0", "5.0"])
    browser.find("option[value='']").click()
    browser.becomes(lambda: shown(browser), ["6.0", "7.0", "9.0", "5.0"])
