"""A console with a tiny model of video and a tiny model of images."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mjpeg import FakeCamera, jpeg_of, with_board
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
    highest = highest_score(detector, frames_of(3, 40))
    detector = detector.with_calibration(calibration_of(1.3 * highest))
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    return Model("tiny", ModelFiles(weights, weights.with_suffix(".json")), detector, "abc")


@pytest.fixture(scope="session")
def image_model(trained_images) -> Model:
    """A model of discs; a red spot is anomalous."""
    return Model("discs", find_model(trained_images), api.load(trained_images, device="cpu"), "def")


@pytest.fixture(scope="session")
def exports(
    tiny, shaken, make_detector, calibration_of, frames_of, export_run, trained_images,
    tmp_path_factory,
) -> tuple[Path, Path]:  # fmt: skip
    """Exports of the two models above. They start quickly, because they need no torch."""
    import torch

    from dmad.model.pdm import PDM
    from dmad.runs import save_model

    folder, config = tmp_path_factory.mktemp("export"), tiny(None)
    torch.manual_seed(0)
    model = shaken(PDM(config.model, config.data.size, config.data.channels, 4))
    highest = highest_score(make_detector(model, config), frames_of(3, 40))
    calibration = calibration_of(highest)  # cameras have lower scores, because JPEG is smooth
    save_model(folder, model, {"scenes": [""], "calibration": calibration.to_dict()}, config)
    images = export_run(trained_images, "onnx", out=folder / "discs").folder
    return export_run(folder, "onnx", out=folder / "tiny").folder, images


def highest_score(detector, frames: np.ndarray) -> float:
    """The highest score of frames, as `calibration_of` computes it."""
    result = detector(frames)
    return float(np.nanmax(result.reconstruction + 0.5 * result.deformation))


@pytest.fixture
def restless_cameras(frames_of, tmp_path) -> Iterator[Callable[..., Path]]:
    """Starts cameras that often show a checkerboard. Returns a file that lists them."""
    started: list[FakeCamera] = []

    def start(count: int, fps: int, every: int, odd: int) -> Path:
        frames = frames_of(3, 30)
        usual = [jpeg_of(frame, 64) for frame in frames]
        boards = [jpeg_of(frame, 64) for frame in with_board(frames)]

        def choose(index: int) -> bytes:
            return (boards if index % every >= every - odd else usual)[index % 30]

        started.extend(FakeCamera(usual, fps, choose) for _ in range(count))
        path = tmp_path / "cameras.yaml"
        lines = [f"camera {n}: {{source: {one.url}, fps: {fps}}}" for n, one in enumerate(started)]
        path.write_text("\n".join(lines))
        return path

    yield start
    for camera in started:
        camera.close()


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
