"""The page in a browser: it works from disk, sends no requests and fits every screen."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmad.evaluation.summary import Report, Series
from dmad.report.page import render

FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync disable-dev-shm-usage window-size=1280,1000"
)


class Browser:
    """Headless Chromium on one page from disk."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in [*FLAGS.split(), f"user-data-dir={profile}"]:
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)

    def open(self, file: Path, width: int, scheme: str = "light", touch: bool = False) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": touch}
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=2)
        self.send("Emulation.setEmulatedMedia", features=[feature])
        self.driver.get(file.as_uri())
        self.run("document.documentElement.style.scrollBehavior = 'auto'")

    def send(self, command: str, **arguments: Any) -> None:
        self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def until(self, script: str) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 30, 0.05).until(lambda _: self.run(script))

    def draw(self, selector: str) -> None:
        """Scroll a chart into view and wait until it is drawn."""
        self.run(f"document.querySelector('{selector}').scrollIntoView({{block: 'center'}})")
        self.until(f"return !!document.querySelector('{selector} .xtick')")

    def range(self) -> tuple[float, float]:
        low, high = self.run("return document.getElementById('timeline').layout.xaxis.range")
        return float(low), float(high)

    def zoomed(self) -> tuple[float, float]:
        self.until("return document.getElementById('timeline').layout.xaxis.range[1] < 16")
        return self.range()

    def requests(self) -> list[str]:
        """Addresses that the page, not the browser itself, requested since the last call."""
        logged = [json.loads(entry["message"]) for entry in self.driver.get_log("performance")]
        messages = [entry["message"] for entry in logged]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent if one["documentURL"].startswith("file:")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    pytest.importorskip("selenium", reason="selenium is not installed: pip install '.[dev]'")
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: apt-get install chromium chromium-driver")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture
def quiet(browser: Browser) -> Iterator[None]:
    """The page writes nothing to the console and sends no request to the network."""
    browser.requests()
    yield
    assert browser.driver.get_log("browser") == []
    schemes = {url.split(":")[0] for url in browser.requests()}
    assert "file" in schemes
    assert schemes <= {"file", "data", "blob"}


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
    assert browser.run(chosen) == "1"
    assert "2 events detected" in browser.find("#clip-words").text
    browser.find("[data-clip='2']").click()
    assert browser.run(chosen) == "2"
    browser.find("#clip option[value='0']").click()
    assert browser.run("return document.querySelector('[aria-current=true]').dataset.clip") == "0"


@pytest.mark.usefixtures("quiet")
def test_keys_move_and_zoom_the_timeline(browser: Browser, file: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(file, 1280)
    browser.draw("#timeline")
    plot = browser.find("#timeline")
    plot.send_keys("+")
    before = browser.zoomed()
    plot.send_keys(Keys.ARROW_LEFT)
    assert browser.range()[0] < before[0]
    plot.send_keys("0")
    assert browser.range() == pytest.approx((-0.05, 17.05))


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
    assert browser.run("return document.documentElement.scrollWidth") <= 360


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
    assert brightness(browser.run(ground)) > 240


def brightness(colour: str) -> float:
    return float(np.mean([float(part) for part in re.findall(r"[\d.]+", colour)[:3]]))


@pytest.mark.usefixtures("quiet")
def test_pictures_are_enlarged_and_closed(browser: Browser, file: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(file, 1280)
    browser.find(".enlarge").click()
    assert browser.find("#viewer-title").text == "Clip 1, frame 70"
    assert browser.run("return document.getElementById('viewer-image').naturalWidth") == 256
    browser.find("#viewer-next").click()
    assert browser.find("#viewer-title").text == "Clip 2, frame 80"
    browser.find("#viewer-next").send_keys(Keys.ESCAPE)
    assert not browser.find("#viewer").is_displayed()


@pytest.mark.usefixtures("quiet")
def test_a_page_without_scores_works(browser: Browser, empty: Report, tmp_path: Path) -> None:
    none = np.full(5, np.nan)
    bare = replace(empty, series=[Series("gaps", none, none, none, None, [])], history=[{"x": 1.0}])
    path = tmp_path / "bare.html"
    path.write_text(render(bare), encoding="utf-8")
    browser.open(path, 1280)
    browser.draw("#timeline")
    browser.draw(".small.chart")
    assert "no score" in browser.find("#clip-words").text
