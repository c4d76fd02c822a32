"""The page in a browser: it works from disk, sends no requests and fits every screen."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Browser

from dmad.evaluation.ledger_tables import METRIC_NAMES
from dmad.evaluation.summary import Report, Series
from dmad.evaluation.table import Table
from dmad.report.page import render


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.mark.usefixtures("quiet")
def test_the_timeline_zooms_in_and_out(browser: Browser, file: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(file, 1280)
    browser.draw("#timeline")
    whole = browser.range()
    assert whole == pytest.approx((-0.05, 17.05))
    plot = browser.find("#timeline")
    drag = ActionChains(browser.driver).move_to_element_with_offset(plot, -200, -80)
    drag.click_and_hold().move_by_offset(200, 5).release().perform()
    low, high = browser.zoomed()
    assert whole[0] < low < high < whole[1]
    browser.find("#reset").click()
    browser.until("return document.getElementById('timeline').layout.xaxis.range[1] > 17")
    browser.find("#clip-events button").click()
    low, high = browser.zoomed()
    assert low < 6.0 < 7.5 < high


@pytest.mark.usefixtures("quiet")
def test_hover_shows_frame_time_and_values(browser: Browser, file: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(file, 1280)
    browser.draw("#timeline")
    plot = browser.find("#timeline")
    ActionChains(browser.driver).move_to_element_with_offset(plot, 0, -80).perform()
    text = browser.until("return document.querySelector('#timeline .hoverlayer').textContent")
    assert re.search(r"[\d.]+ s.*frame \d+.*score.*reconstruction.*deformation", text)


@pytest.mark.usefixtures("quiet")
def test_a_clip_is_selected_by_list_button_or_thumbnail(browser: Browser, file: Path) -> None:
    browser.open(file, 1280)
    browser.draw("#timeline")
    chosen = "return document.getElementById('clip').value"
    browser.find("#next").click()
    browser.becomes(chosen, "1")
    browser.shows("#clip-words", "2 events detected")
    browser.find("[data-clip='2']").click()
    browser.becomes(chosen, "2")
    browser.find("#clip option[value='0']").click()
    browser.becomes("return document.querySelector('[aria-current=true]').dataset.clip", "0")


@pytest.mark.usefixtures("quiet")
def test_keys_move_and_zoom_the_timeline(browser: Browser, file: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(file, 1280)
    browser.draw("#timeline")
    plot = browser.find("#timeline")
    plot.send_keys("+")
    before = browser.zoomed()
    plot.send_keys(Keys.ARROW_LEFT)
    browser.until(f"return timeline.layout.xaxis.range[0] < {before[0]}")
    plot.send_keys("0")
    browser.becomes(browser.range, pytest.approx((-0.05, 17.05)))


@pytest.mark.usefixtures("quiet")
def test_two_fingers_zoom_the_timeline_and_one_scrolls(browser: Browser, file: Path) -> None:
    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        browser.send("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    browser.open(file, 360, touch=True)
    browser.draw("#timeline")
    touch("touchStart", (150, 400), (200, 400))
    for step in range(1, 9):
        touch("touchMove", (150 - 8 * step, 400), (200 + 8 * step, 400))
    touch("touchEnd")
    browser.until("const [a, b] = timeline.layout.xaxis.range; return b - a < 6")
    low, high = browser.range()
    top = browser.run("return scrollY")
    touch("touchStart", (200, 500))
    for step in range(1, 9):
        touch("touchMove", (200, 500 - 20 * step))
    touch("touchEnd")
    browser.until(f"return scrollY > {top}")
    assert browser.range() == pytest.approx((low, high))


@pytest.mark.usefixtures("quiet")
def test_the_page_fits_the_width_of_a_phone(browser: Browser, file: Path) -> None:
    browser.open(file, 360, touch=True)
    for chart in ("#timeline", ".square", ".small.chart"):
        browser.draw(chart)
    browser.find("summary").click()
    browser.until("return document.querySelector('details').open")
    assert browser.run("return document.documentElement.scrollWidth") <= 360


@pytest.mark.usefixtures("quiet")
def test_no_table_scrolls_sideways_on_a_laptop(
    browser: Browser, report: Report, tmp_path: Path
) -> None:
    """The widest table is that of video with masks: ten metrics."""
    columns = ["signal", *METRIC_NAMES.values()]
    columns = [name for name in columns if not name.startswith(("image", "F1", "false positives"))]
    columns += ["AP", "AUPRO", "RBDC", "TBDC"]
    row = ["published ped2 protocol, without deformation", *["0.1234"] * (len(columns) - 1)]
    path = tmp_path / "wide.html"
    path.write_text(render(replace(report, tables=[Table("deployable", columns, [row])])))
    browser.open(path, 1280)
    sizes = browser.run(
        "return [...document.querySelectorAll('.wide')].map((e) => [e.scrollWidth, e.clientWidth])"
    )
    assert len(columns) == 11
    assert sizes
    assert all(content <= shown for content, shown in sizes)
    assert browser.run("return document.documentElement.scrollWidth") <= 1280


@pytest.mark.usefixtures("quiet")
def test_page_and_charts_follow_the_colour_scheme(browser: Browser, file: Path) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    text = "return getComputedStyle(document.querySelector('#timeline .xtick text')).fill"
    browser.open(file, 1280, "dark")
    browser.draw("#timeline")
    assert brightness(browser.run(ground)) < 40 < 140 < brightness(browser.run(text))
    feature = {"name": "prefers-color-scheme", "value": "light"}
    browser.send("Emulation.setEmulatedMedia", features=[feature])
    browser.until(f"{text} === 'rgb(90, 96, 102)'")
    browser.becomes(lambda: brightness(browser.run(ground)) > 240, True)


def brightness(colour: str) -> float:
    return float(np.mean([float(part) for part in re.findall(r"[\d.]+", colour)[:3]]))


@pytest.mark.usefixtures("quiet")
def test_pictures_are_enlarged_and_closed(browser: Browser, file: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(file, 1280)
    browser.find(".enlarge").click()
    browser.shows("#viewer-title", "Clip 1, frame 70")
    browser.becomes("return document.getElementById('viewer-image').naturalWidth", 256)
    browser.find("#viewer-next").click()
    browser.shows("#viewer-title", "Clip 2, frame 80")
    browser.find("#viewer-next").send_keys(Keys.ESCAPE)
    browser.becomes(lambda: browser.find("#viewer").is_displayed(), False)


@pytest.mark.usefixtures("quiet")
def test_a_page_without_scores_works(browser: Browser, empty: Report, tmp_path: Path) -> None:
    none = np.full(5, np.nan)
    bare = replace(empty, series=[Series("gaps", none, none, none, None, [])], history=[{"x": 1.0}])
    path = tmp_path / "bare.html"
    path.write_text(render(bare), encoding="utf-8")
    browser.open(path, 1280)
    browser.draw("#timeline")
    browser.draw(".small.chart")
    browser.shows("#clip-words", "no score")
