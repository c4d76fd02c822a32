"""Headless Chromium for the tests of pages."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync disable-dev-shm-usage window-size=1280,1000"
)


class Browser:
    """Headless Chromium on one page, from disk or from an address."""

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

    def open(
        self, page: Path | str, width: int, scheme: str = "light", touch: bool = False
    ) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": touch}
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=2)
        self.send("Emulation.setEmulatedMedia", features=[feature])
        self.driver.get(page if isinstance(page, str) else page.as_uri())
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

    def becomes(self, read: str | Callable[[], Any], expected: Any) -> None:
        """Wait until a script, or a function, returns a value: a page answers an action late."""
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        found: list[Any] = []

        def is_there(_: Any) -> bool:
            found[:] = [self.run(read) if isinstance(read, str) else read()]
            return bool(found[0] == expected)

        try:
            WebDriverWait(self.driver, 30, 0.05).until(is_there)
        except TimeoutException:
            raise AssertionError(f"{found} has not become {expected!r}") from None

    def shows(self, selector: str, text: str) -> None:
        """Wait until the first element that matches shows a text, or another text around it."""
        shown = f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"
        self.until(f"return ({shown}).includes({json.dumps(text)})")

    def count(self, selector: str) -> int:
        return int(self.run(f"return document.querySelectorAll({json.dumps(selector)}).length"))

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
