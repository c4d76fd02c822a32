"""The console in a browser: live tiles, an event that is marked, a zone, and the threshold."""

import threading
import time

import numpy as np
import pytest
from mjpeg import FakeCamera, jpeg_of, with_board
from waiting import until

from dmad.serve.event_rows import EventFilter
from dmad.serve.server import make_server, open_socket

PAGES = ("/", "/events", "/events/1", "/cameras/1", "/cameras/new", "/weeks", "/inspect",
         "/system", "/api")  # fmt: skip
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


class Scene:
    """A camera whose picture has a checkerboard while `odd` is true."""

    def __init__(self, frames: np.ndarray) -> None:
        self.odd = False
        self.odd_since = 0.0  # seconds since 1970: when the first such picture was sent
        self.usual = [jpeg_of(frame) for frame in frames]
        self.boards = [jpeg_of(frame) for frame in with_board(frames)]
        self.camera = FakeCamera(self.usual, 10, self.choose)

    def choose(self, index: int) -> bytes:
        if not self.odd:
            self.odd_since = 0.0
        elif not self.odd_since:
            self.odd_since = time.time()
        return (self.boards if self.odd else self.usual)[index % len(self.usual)]


@pytest.fixture
def scene(frames_of):
    made = Scene(frames_of(3, 30))
    yield made
    made.camera.close()


@pytest.fixture
def serve():
    """Serves a console. Returns its address."""
    running = []

    def run(console) -> str:
        listener = open_socket("127.0.0.1", 0)
        server = make_server(console, listener)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield run
    for server, thread, listener in running:
        server.stop()
        thread.join(15)
        listener.close()


@pytest.fixture
def no_errors(browser, serve):
    """The pages write nothing to the console of the browser, and ask no other machine."""
    browser.driver.get_log("browser")
    yield
    browser.driver.get("about:blank")  # closes the live connection
    assert browser.driver.get_log("browser") == []


@pytest.mark.usefixtures("no_errors")
def test_pages_fit_every_screen(
    browser, make_console, video_model, image_model, event, serve, scene, spot
):
    from dmad.serve.rest import inspect_body
    from dmad.watch.cameras import Camera

    console = make_console(video_model, image_model, cameras=[Camera(scene.camera.url, "gate")])
    console.events.add(event(source="gate"), scores=[(8.0, 1.0), (11.0, 5.0)])
    console.events.add(event(2.0, source="a camera with a name of sixty letters, which is long"))
    station = console.stations["discs"]
    inspect_body(console, station, spot.read_bytes(), "spot-" + "0" * 100, keep=True)
    base = serve(console)
    for path in PAGES:
        for width, scheme in SCREENS:
            browser.open(base + path, width, scheme, touch=width < 500)
            name = f"{path} {width} {scheme}"
            assert browser.run("return document.documentElement.scrollWidth") <= width, name
            ground = browser.run("return getComputedStyle(document.body).backgroundColor")
            expected = "rgb(253, 253, 251)" if scheme == "light" else "rgb(20, 22, 24)"
            assert ground == expected, name
            assert browser.find("h1").is_displayed(), name


@pytest.mark.usefixtures("no_errors")
def test_a_person_signs_in_and_out(browser, make_console, video_model, serve, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef")
    base = serve(make_console(video_model, token_file=tmp_path / "token"))
    browser.open(f"{base}/events", 390, touch=True)
    assert browser.run("return location.pathname") == "/login"
    browser.find("input[type=password]").send_keys("0123456789abcdef")
    browser.find("button").click()
    browser.until("return location.pathname === '/'")
    browser.open(f"{base}/events", 390, touch=True)
    assert browser.find("h1").text.startswith("Events")
    assert browser.run("return document.cookie") == ""  # scripts cannot read it
    browser.find("form[action='/logout'] button").click()
    browser.until("return location.pathname === '/login'")
    browser.open(f"{base}/events", 390, touch=True)
    assert browser.run("return location.pathname") == "/login"


@pytest.mark.usefixtures("no_errors")
def test_a_guard_sees_an_event_marks_it_and_draws_a_zone(
    browser, make_console, video_model, serve, scene
):
    console = make_console(video_model)
    base = serve(console)
    browser.open(f"{base}/cameras/new", 1280)
    browser.find("input[name=name]").send_keys("gate")
    browser.find("input[name=source]").send_keys(scene.camera.url)
    browser.find("#settings .primary").click()
    browser.until("return location.pathname === '/cameras/1'")
    browser.find("input[name=threshold]").clear()
    browser.find("input[name=threshold]").send_keys("0.6")  # usual frames have 0.43
    browser.find("#threshold .primary").click()
    browser.until("return document.querySelector('#toast').textContent.includes('now 0.60')")

    browser.open(base, 1280)
    picture = """
        const image = document.querySelector('img.live.there');
        if (!image) return null;
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 64;
        canvas.getContext('2d').drawImage(image, 0, 0, 64, 64);
        return canvas.toDataURL();
    """
    first = browser.until(picture)
    browser.until(f"return (() => {{ {picture} }})() !== '{first}'")  # the tile moves
    browser.until("return document.querySelector('.tile b.score').textContent.startsWith('0.')")

    browser.open(f"{base}/events", 1280)
    note_time(browser, ".event.card")
    scene.odd = True
    shown = browser.until("return window.noted / 1000")
    (row,) = console.events.find(EventFilter())
    delays = {"raised": row["raised"] - scene.odd_since, "shown": shown - scene.odd_since}
    print(delays)
    assert delays["shown"] < 5, delays  # less than 2 on a machine that is not busy
    scene.odd = False
    until(lambda: console.events.get(row["number"])["state"] == "end")
    old = console.watch.get(1).worker.calibration.threshold
    mark_normal(browser, "threshold")
    text = browser.until("return document.querySelector('#change').textContent")
    new = console.watch.get(1).worker.calibration.threshold
    assert f"{old:.2f} to {new:.2f}" in text
    assert new > row["score"]
    pressed = "return document.querySelector('.marks [data-mark=normal]').ariaPressed"
    browser.becomes(pressed, "true")

    browser.open(f"{base}/cameras/1", 1280)
    browser.until("return !!document.querySelector('img.live.there')")
    browser.find("[data-zone=exclude]").click()
    for x, y in ((0.5, 0.5), (0.95, 0.5), (0.95, 0.95)):
        click_at(browser, "#zones", x, y)
    click_at(browser, "#zones", 0.5, 0.5)  # the first corner closes the polygon
    browser.until("return !document.querySelector('#zone-save').disabled")
    browser.find("#zone-save").click()
    browser.until("return document.querySelector('#toast').textContent === 'Saved.'")
    zone = console.cameras.get(1).camera.zone
    assert len(zone.exclude[0]) == 3
    assert zone.exclude[0][0] == pytest.approx((0.5, 0.5), abs=0.01)
    until(lambda: console.watch.get(1).worker.stream.zone == zone)


@pytest.fixture
def watched(make_console, video_model, clip):
    """A console that has watched a clip with one event, whose film is complete."""
    from dmad.watch.cameras import Camera

    console = make_console(video_model, cameras=[Camera(str(clip()))])
    worker = console.watch.get(1).worker
    until(lambda: worker.source.done and worker.frames == 40)
    worker.close()  # as at the end of the process, so that the film is complete
    return console


SHOWN_PLACES = """
    const image = document.querySelector('img.places');
    return !image.hidden && image.naturalWidth > 0 && image.getAttribute('src');
"""


@pytest.mark.usefixtures("no_errors")
def test_an_operator_makes_a_camera_less_sensitive_only_at_a_place_and_undoes_it(
    browser, watched, serve
):
    base = serve(watched)
    worker = watched.watch.get(1).worker
    old = worker.calibration
    browser.open(f"{base}/events/1", 1280)
    mark_normal(browser, "here")
    words = browser.until("return document.querySelector('.offer .answer button')?.textContent")
    assert words == "Make the camera less sensitive nevertheless"
    assert browser.driver.get_log("browser")  # the answer that refused this at first
    assert not worker.stream.places
    browser.find(".offer .answer button").click()
    text = browser.until("return document.querySelector('#change').textContent")
    assert "The camera is now less sensitive" in text
    browser.until("return !document.querySelector('.offer')")
    browser.until(
        "return document.querySelector('.marks [data-mark=normal]').ariaPressed === 'true'"
    )
    assert worker.calibration.threshold == old.threshold
    assert worker.stream.places

    browser.open(f"{base}/cameras/1", 390, touch=True)
    browser.until(SHOWN_PLACES)
    words = browser.until("return document.querySelector('#places .words').textContent")
    assert "% of the view" in words
    covers = """
        const [image, live] = ['.places', '.live'].map((name) =>
            document.querySelector(`.screen img${name}`).getBoundingClientRect());
        return live.height > 0 && ['x', 'y', 'width', 'height'].every((side) =>
            Math.abs(image[side] - live[side]) < 1);
    """
    browser.until(covers)
    browser.find("#show-places").click()
    browser.until("return document.querySelector('img.places').hidden")
    browser.find("#show-places").click()
    browser.until(SHOWN_PLACES)
    browser.until("return !document.querySelector('#threshold-undo').disabled")
    browser.find("#threshold-undo").click()
    browser.until("return document.querySelector('#toast').textContent.includes('fully sensitive')")
    browser.until("return document.querySelector('#places').hidden")
    browser.until("return document.querySelector('img.places').hidden")
    assert worker.calibration == old


def test_a_mark_only_at_a_place_without_a_film_says_what_to_do(browser, watched, event, serve):
    number = watched.events.add(event(7.0))
    browser.open(f"{serve(watched)}/events/{number}", 390, touch=True)
    mark_normal(browser, "here")
    answer = "return document.querySelector('.offer .answer').textContent"
    browser.until(f"{answer}.includes('film of this event is missing')")
    browser.until("return !document.querySelector('.offer button').disabled")
    browser.find(".offer [data-change='']").click()
    browser.until("return !document.querySelector('.offer')")
    assert watched.events.get(number)["mark"] == ""
    browser.driver.get("about:blank")  # closes the live connection
    browser.driver.get_log("browser")  # holds the answer that refused the mark


# Every answer is a page of a proxy.
PROXY = """
    window.fetch = async () => new Response("<h1>504 Gateway Time-out</h1>", { status: 504 });
"""


@pytest.mark.usefixtures("no_errors")
def test_an_answer_of_a_proxy_that_did_not_wait_is_explained(browser, watched, serve):
    browser.open(f"{serve(watched)}/events/1", 1280)
    browser.run(PROXY)
    mark_normal(browser, "here")
    answer = "return document.querySelector('.offer .answer').textContent"
    browser.until(f"{answer}.includes('did not answer in time; the change may still be made')")


@pytest.mark.usefixtures("no_errors")
def test_a_card_stays_while_a_person_chooses_what_shall_change(
    browser, make_console, video_model, event, serve
):
    console = make_console(video_model)
    numbers = [console.events.add(event(float(index))) for index in range(7)]
    browser.open(serve(console), 1280)
    until(lambda: console.hub.clients)
    oldest = f".event[data-number='{numbers[1]}']"  # six are shown
    browser.find(f"{oldest} .marks [data-mark=normal]").click()
    for index in (7, 8):
        number = console.events.add(event(float(index)))
        content = {"number": number, "camera": "gate", "state": "new", "score": 5.0}
        console.hub.publish("event", content)
        browser.until(f"return !!document.querySelector('.event[data-number=\"{number}\"]')")
    count = "return document.querySelectorAll('.event.card').length"
    browser.becomes(count, 7)
    assert browser.find(f"{oldest} .offer").is_displayed()


def test_a_large_rise_of_the_threshold_is_confirmed(
    browser, make_console, video_model, event, serve, scene
):
    from dmad.watch.cameras import Camera

    console = make_console(video_model, cameras=[Camera(scene.camera.url, "gate")])
    number = console.events.add(event(score=500.0))
    browser.open(f"{serve(console)}/events/{number}", 390, touch=True)
    mark_normal(browser, "threshold")
    words = browser.until("return document.querySelector('.offer .answer').textContent")
    assert words.startswith("The threshold must rise")
    assert "`" not in words
    browser.find(".offer .answer button").click()
    browser.until("return document.querySelector('#change').textContent.includes('525')")
    until(lambda: console.watch.get(1).worker.calibration.threshold == pytest.approx(525))
    browser.driver.get("about:blank")  # closes the live connection
    browser.driver.get_log("browser")  # holds the answer that refused the first mark


@pytest.fixture
def tabs(browser):
    """Opens tabs of the browser, which are closed at the end. Returns a function that shows one."""
    driver = browser.driver
    first = driver.current_window_handle

    def open_tabs(addresses: list[str]):
        handles = []
        for address in addresses:
            driver.switch_to.new_window("tab")
            driver.get(address)
            handles.append(driver.current_window_handle)
        return lambda index: driver.switch_to.window(handles[index])

    yield open_tabs
    for handle in driver.window_handles:
        if handle != first:
            driver.switch_to.window(handle)
            driver.close()
    driver.switch_to.window(first)


def test_eight_tabs_of_a_browser_share_one_live_connection(
    browser, tabs, make_console, video_model, event, serve, scene
):
    from dmad.watch.cameras import Camera

    console = make_console(video_model, cameras=[Camera(scene.camera.url, "gate")])
    number = console.events.add(event())
    base = serve(console)
    addresses = [base, f"{base}/events", f"{base}/events/{number}", f"{base}/cameras/1"] * 2
    show = tabs(addresses)  # a browser opens at most six connections to a server
    for index, address in enumerate(addresses):
        show(index)
        if address.endswith(("/cameras/1", base)):
            browser.until("return !!document.querySelector('img.live.there')")
            browser.until("return document.querySelector('b.score').textContent.startsWith('0.')")
    assert console.hub.clients == 1
    browser.run("document.querySelector('.marks [data-mark=seen]').click()")  # in the last tab
    pressed = "return document.querySelector('.marks [data-mark=seen]').ariaPressed === 'true'"
    for index in range(len(addresses)):
        show(index)
        browser.until(pressed)


PICTURES = (
    "return performance.getEntriesByType('resource')"
    ".filter((one) => one.name.includes('/live/')).length"
)


@pytest.mark.usefixtures("no_errors")
def test_a_hidden_tab_asks_for_no_live_pictures(browser, make_console, video_model, serve, scene):
    from dmad.watch.cameras import Camera

    console = make_console(video_model, cameras=[Camera(scene.camera.url, "gate")])
    browser.open(f"{serve(console)}/cameras/1", 1280)
    browser.until("return !!document.querySelector('img.live.there')")
    hide(browser, True)
    browser.until("return document.querySelector('img.live').complete")  # the last one is there
    count = browser.run(PICTURES)
    time.sleep(2)  # a visible page asks for five in this time
    assert browser.run(PICTURES) == count
    hide(browser, False)
    browser.until(f"{PICTURES} > {count + 2}")


def hide(browser, hidden: bool) -> None:
    """Let a page believe that its tab is hidden. Headless Chromium shows all tabs."""
    browser.run(f"""
        const get = () => {str(hidden).lower()};
        Object.defineProperty(document, "hidden", {{ get, configurable: true }});
    """)


# Answers of the server reach the page when the test lets them. Requests are counted.
LATE_ANSWERS = """
    const real = window.fetch;
    const released = new Promise((done) => { window.release = done; });
    window.asked = 0;
    window.fetch = async (...args) => {
        window.asked += 1;
        const answer = await real(...args);
        await released;
        return answer;
    };
"""


@pytest.mark.usefixtures("no_errors")
def test_a_part_that_arrives_does_not_move_the_dragged_line(
    browser, make_console, image_model, image_data, serve
):
    from dmad.serve.rest import inspect_body

    console = make_console(image_model)
    files = sorted((image_data / "discs/test").glob("*/*.png"))
    station = console.stations["discs"]
    inspect_body(console, station, files[0].read_bytes(), "first", keep=True)
    browser.open(f"{serve(console)}/inspect", 1280)
    until(lambda: console.hub.clients)
    browser.run(LATE_ANSWERS)
    inspect_body(console, station, files[1].read_bytes(), "second", keep=True)
    browser.until("return window.asked > 0")  # the page has asked for the new part
    drag_line(browser)
    dragged = browser.find("#line").text
    browser.run("window.release()")
    browser.until("return document.querySelectorAll('#strip button').length === 2")
    assert browser.find("#line").text == dragged
    browser.until("return document.querySelector('#preview').textContent.includes('2 of 2')")


@pytest.mark.usefixtures("no_errors")
def test_an_inspector_drops_parts_and_drags_the_threshold(
    browser, make_console, image_model, image_data, serve
):
    console = make_console(image_model)
    base = serve(console)
    browser.open(f"{base}/inspect", 1280)
    files = sorted((image_data / "discs/test").glob("*/*.png"))
    browser.find("#files").send_keys("\n".join(map(str, files)))
    browser.until(f"return document.querySelectorAll('#strip button').length === {len(files)}")
    browser.until("return document.querySelector('#part').naturalWidth > 0")
    before = browser.run("return document.querySelector('#part').src")
    press(browser, "ArrowRight")
    browser.until(f"return document.querySelector('#part').src !== '{before}'")
    press(browser, "h")
    browser.until("return document.querySelector('#part').src.endsWith('/picture')")

    browser.becomes("return document.querySelector('#total').textContent", str(len(files)))
    bad = int(browser.find("#bad").text)
    old = console.stations["discs"].calibration.threshold
    drag_line(browser)
    preview = browser.until("return document.querySelector('#preview').textContent")
    assert f"{len(files)} of {len(files)} parts of today are anomalous" in preview
    assert f"{len(files) - bad} more than now" in preview
    assert console.stations["discs"].calibration.threshold == old  # nothing before the click
    browser.find("#confirm").click()
    browser.until(f"return document.querySelector('#bad').textContent === '{len(files)}'")
    assert console.stations["discs"].calibration.threshold < old
    browser.find("#undo").click()
    browser.until(f"return document.querySelector('#bad').textContent === '{bad}'")
    assert console.stations["discs"].calibration.threshold == pytest.approx(old)


def mark_normal(browser, change: str) -> None:
    """Mark the first event as normal, and choose what shall change."""
    browser.find(".marks [data-mark=normal]").click()
    browser.until(f"return !!document.querySelector('.offer [data-change={change}]')")
    browser.find(f".offer [data-change={change}]").click()


def drag_line(browser) -> None:
    """Drag the threshold of the inspection page to the left end of its histogram."""
    from selenium.webdriver.common.action_chains import ActionChains

    box = browser.find("#histogram")
    chain = ActionChains(browser.driver).move_to_element(browser.find("#line")).click_and_hold()
    chain.move_to_element_with_offset(box, -box.size["width"] // 2 + 3, 0).release().perform()


def note_time(browser, selector: str) -> None:
    """Note the time at which an element appears in the page."""
    browser.run(f"""
        new MutationObserver(() => {{
            if (document.querySelector("{selector}")) window.noted ??= Date.now();
        }}).observe(document.body, {{ childList: true, subtree: true }});
    """)


def click_at(browser, selector: str, x: float, y: float) -> None:
    """Click into an element, at shares of its width and height."""
    from selenium.webdriver.common.action_chains import ActionChains

    element = browser.find(selector)
    width, height = element.size["width"], element.size["height"]
    chain = ActionChains(browser.driver)
    chain.move_to_element_with_offset(element, (x - 0.5) * width, (y - 0.5) * height)
    chain.click().perform()


def press(browser, key: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    names = {"Enter": Keys.ENTER, "ArrowRight": Keys.ARROW_RIGHT, "ArrowLeft": Keys.ARROW_LEFT}
    ActionChains(browser.driver).send_keys(names.get(key, key)).perform()
