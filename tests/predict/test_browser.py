"""The page in a browser: it works from disk, sends no requests and fits every screen."""

import shutil
from pathlib import Path

import pytest
from browser import Browser

from dmad.api import load
from dmad.predict.clips import predict_clips
from dmad.predict.images import predict_images
from dmad.predict.settings import PredictSettings

LONG = "part-" + "0123456789" * 8


@pytest.fixture(scope="module")
def clips(trained, write_clip, calibration_of, tmp_path_factory) -> Path:
    """The page of two clips with events."""
    folder = tmp_path_factory.mktemp("clips")
    sources = [write_clip(folder / name, 3, 12) for name in ("a", LONG)]
    detector = load(trained).with_calibration(calibration_of(1e-6))
    list(predict_clips(detector, sources, folder / "out", PredictSettings(panels=0)))
    return folder / "out/index.html"


@pytest.fixture(scope="module")
def images(trained_images, image_data, tmp_path_factory) -> Path:
    """The page of images, with and without anomalies."""
    folder = tmp_path_factory.mktemp("images")
    shutil.copytree(image_data / "discs/test", folder / "in")
    shutil.copy(image_data / "discs/test/good/000.png", folder / f"in/{LONG}.png")
    predict_images(load(trained_images), [folder / "in"], folder / "out")
    return folder / "out/index.html"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["clips", "images"])
def test_the_page_fits_the_width_and_shows_its_pictures(
    browser: Browser, page: str, width: int, request: pytest.FixtureRequest
) -> None:
    browser.open(request.getfixturevalue(page), width, "dark", touch=width < 500)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    first = "return document.querySelector('.card img').naturalWidth"
    browser.until(f"{first} > 0")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 22, 24)"


@pytest.mark.usefixtures("quiet")
def test_images_are_filtered_by_verdict_and_name(browser: Browser, images: Path) -> None:
    def shown() -> list[str]:
        cards = "[...document.querySelectorAll('.card')].filter((card) => card.offsetHeight)"
        verdicts: list[str] = browser.run(f"return {cards}.map((card) => card.dataset.verdict)")
        return verdicts

    browser.open(images, 1280)
    assert set(shown()) == {"anomalous", "good"}
    everything = len(shown())
    browser.find("button[data-verdict='anomalous']").click()
    browser.becomes(lambda: set(shown()), {"anomalous"})
    anomalous = len(shown())
    browser.find("button[data-verdict='good']").click()
    browser.becomes(shown, ["good"] * (everything - anomalous))
    browser.find("#name").send_keys("PART-")
    browser.becomes(shown, ["good"])
    browser.shows("#shown", f"1 of {everything} shown")


@pytest.mark.usefixtures("quiet")
def test_a_printed_page_has_several_columns_and_no_buttons(browser: Browser, images: Path) -> None:
    browser.open(images, 1280)
    browser.send("Emulation.setEmulatedMedia", media="print")
    columns = "getComputedStyle(document.querySelector('.cards')).gridTemplateColumns"
    browser.becomes(f"return {columns}.split(' ').length", 4)
    browser.until("return !document.querySelector('.filter').offsetHeight")
    browser.send("Emulation.setEmulatedMedia", media="")
