"""A console with a tiny model of video and a tiny model of images."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")

from starlette.testclient import TestClient

from dmad import api
from dmad.runs import ModelFiles, find_model
from dmad.serve.app import create_app
from dmad.serve.console import Console
from dmad.serve.event_rows import EventRows
from dmad.serve.models import Model
from dmad.serve.settings import ServeSettings
from dmad.serve.store import Store
from dmad.watch.messages import EventMessage


@pytest.fixture
def video_model(random_model, tiny, make_detector, calibration_of, frames_of, tmp_path) -> Model:
    """Its threshold is above ordinary frames and far below a checkerboard."""
    detector = make_detector(random_model, tiny(None))
    usual = detector(frames_of(3, 40))
    highest = float(np.nanmax(usual.reconstruction + 0.5 * usual.deformation))
    detector = detector.with_calibration(calibration_of(1.3 * highest))
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    return Model("tiny", ModelFiles(weights, weights.with_suffix(".json")), detector, "abc")


@pytest.fixture(scope="session")
def image_model(trained_images) -> Model:
    """A model of discs; a red spot is anomalous."""
    return Model("discs", find_model(trained_images), api.load(trained_images, device="cpu"), "def")


@pytest.fixture
def clip(write_odd_clip, tmp_path) -> Callable[..., Path]:
    """Writes 40 frames. Frames 20 to 26 have a checkerboard in the lower right corner."""

    def write(name: str = "gate", seed: int = 3, odd: range = range(20, 27)) -> Path:
        return write_odd_clip(tmp_path / name, seed, 40, odd, range(20, 30))

    return write


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def event() -> Callable[..., EventMessage]:
    """Makes a message about an event."""

    def make(start: float = 10.0, source: str = "gate", **entries) -> EventMessage:
        values = {
            "id": f"{source}-{start:.3f}",
            "state": "end",
            "start": start,
            "peak": start + 1,
            "end": start + 2,
            "score": 5.0,
            "threshold": 4.0,
            "term": "deformation",
            "box": (0.1, 0.1, 0.2, 0.2),
        }
        return EventMessage(source=source, **{**values, **entries})

    return make


@pytest.fixture
def fill(event) -> Callable[..., None]:
    """Stores many events of two cameras."""

    def add(rows: EventRows, count: int) -> None:
        for index in range(count):
            rows.add(event(float(index), ("gate", "yard")[index % 2], score=4.0 + index))

    return add


@pytest.fixture
def make_console(tmp_path) -> Iterator[Callable[..., Console]]:
    """Starts a console, which is closed at the end."""
    opened: list[Console] = []

    def make(*models: Model, cameras=(), sinks=(), **settings) -> Console:
        chosen = ServeSettings(data=tmp_path / "console", **settings)
        opened.append(Console(chosen, models, cameras, sinks))
        return opened[-1]

    yield make
    for console in opened:
        console.close()


@pytest.fixture
def client_of() -> Callable[[Console], TestClient]:
    """Makes a client of a console. It raises no errors of the console, as a browser."""

    def make(console: Console) -> TestClient:
        app = create_app(console)
        return TestClient(app, "http://localhost", raise_server_exceptions=False)

    return make


@pytest.fixture(scope="session")
def png() -> Callable[[Path | np.ndarray], bytes]:
    """Returns an image file as bytes."""

    def make(image: Path | np.ndarray) -> bytes:
        if isinstance(image, Path):
            return image.read_bytes()
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def good(image_data) -> Path:
    return image_data / "discs/test/good/000.png"


@pytest.fixture(scope="session")
def spot(image_data) -> Path:
    return image_data / "discs/test/spot/000.png"
