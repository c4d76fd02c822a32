"""Fixtures that several tests share: generated clips and images, tiny models, and others."""

import logging
import os
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from dmad import recipes
from dmad.calibration.alarms import AlarmRule
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.config import (
    Config,
    ImageConfig,
    VideoConfig,
    VideoDataConfig,
    VideoModelConfig,
    VideoTrainConfig,
)
from dmad.model.pdm import PDM

if TYPE_CHECKING:
    from browser import Browser

    from dmad.inference.detector import Detector

SIZE = 32
TINY = VideoModelConfig(
    widths=(4, 8), memory_items=5, skip_channels=2, reductions=(4, 2), estimator_width=4
)


@pytest.fixture
def logged(caplog) -> Callable[[], str]:
    """Returns the messages that the package has logged since the last call, one a line."""
    caplog.set_level(logging.INFO, "dmad")

    def messages() -> str:
        lines = "\n".join(caplog.messages)
        caplog.clear()
        return lines

    return messages


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture(scope="session")
def at_most() -> Callable[[int], AbstractContextManager[None]]:
    """In a `with` block, writing more than some bytes raises an `OSError`, as on a full disk."""
    return limited_file_size


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data; without it the test is skipped."""
    root = Path(os.environ.get("DMAD_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no data under {root}")
    return root


@pytest.fixture(scope="session")
def frames_of() -> Callable[..., np.ndarray]:
    """Makes frames (count, 32, 32, 1) uint8: a square that crosses a still, grainy background."""

    def make(seed: int, count: int = 8) -> np.ndarray:
        ground = np.random.default_rng(seed).integers(60, 120, (SIZE, SIZE, 1), np.uint8)
        frames = np.repeat(ground[None], count, 0)
        for index, frame in enumerate(frames):
            left = (3 * seed + 2 * index) % (SIZE - 6)
            frame[10:16, left : left + 6] = 230
        return frames

    return make


@pytest.fixture(scope="session")
def write_clip(frames_of) -> Callable[..., Path]:
    """Writes a clip as a folder of PNG files."""

    def write(folder: Path, seed: int = 0, count: int = 8) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(frames_of(seed, count)):
            Image.fromarray(frame[..., 0]).save(folder / f"{index:03}.png")
        return folder

    return write


@pytest.fixture(scope="session")
def write_odd_clip(frames_of) -> Callable[..., Path]:
    """Writes a clip as `write_clip` does, with a checkerboard in a square of some frames."""

    def write(folder: Path, seed: int, count: int, odd: range, square: range) -> Path:
        folder.mkdir()
        side = slice(square.start, square.stop)
        board = 255 * (np.indices((len(square), len(square))).sum(0) % 2)
        for index, frame in enumerate(frames_of(seed, count)):
            image = frame[..., 0].copy()
            if index in odd:
                image[side, side] = board
            Image.fromarray(image).save(folder / f"{index:03}.png")
        return folder

    return write


@pytest.fixture(scope="session")
def normal_data(tmp_path_factory, write_clip) -> Path:
    """A data folder: two clips of 8 frames to train on, and two labelled ones to test on."""
    root = tmp_path_factory.mktemp("normal-data")
    for split, seed in (("train", 1), ("test", 5)):
        for clip in range(2):
            write_clip(root / split / f"clip{clip}", seed + clip)
    np.save(root / "test" / "labels.npy", np.tile([0, 0, 0, 0, 0, 0, 1, 1], 2))
    return root


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Callable[..., VideoConfig]:
    """Makes settings of a small video model. `data` and `train` change some of them."""
    cache = tmp_path_factory.mktemp("cache")

    def make(root: Path | None, data: dict | None = None, model: VideoModelConfig = TINY, **train):
        source = VideoDataConfig(root=root, size=SIZE, channels=1, cache=cache, **(data or {}))
        defaults = {"epochs": 1, "batch_size": 4, "lr": 1e-3, "precision": "fp32", "warmup": 2}
        return VideoConfig("video", source, model, train=VideoTrainConfig(**{**defaults, **train}))

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory, normal_data, tiny) -> Path:
    """A run folder of video after one epoch, without threshold. Tests change only copies."""
    from dmad.api import train_network

    return train_network(tiny(normal_data), tmp_path_factory.mktemp("runs")).folder


@pytest.fixture(scope="session")
def teacher_weights(tmp_path_factory) -> Path:
    """A file with random weights of a ResNet-18, so that tests download nothing."""
    from safetensors.torch import save_file

    from dmad.model.distillation import Teacher

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(Teacher("resnet18").network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def image_data(tmp_path_factory) -> Path:
    """A category in MVTec's layout: 16 discs to train on; to test on, 4 more and 4 with a spot."""
    root = tmp_path_factory.mktemp("image-data") / "discs"
    rows, columns = np.indices((64, 64)) - 31.5
    for folder, count in (("train/good", 16), ("test/good", 4), ("test/spot", 4)):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            rng = np.random.default_rng((len(folder), index))
            disc = np.hypot(rows - rng.normal(0, 1), columns) < 20 + rng.normal(0, 1)
            image = np.where(disc, 150, 60)[..., None] + rng.normal(0, 4, (64, 64, 3))
            mask = np.zeros((64, 64), bool)
            if folder == "test/spot":
                mask[24:34, 30 : 38 + index] = True
                image[mask] = (250, 20, 20)
                (root / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
                path = root / "ground_truth/spot" / f"{index:03}_mask.png"
                Image.fromarray(mask).save(path)
            picture = Image.fromarray(image.clip(0, 255).astype(np.uint8))
            picture.save(root / folder / f"{index:03}.png")
    return root.parent


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory, image_data, teacher_weights) -> Callable[..., ImageConfig]:
    """Makes settings of a small PPDM on `image_data`. `model` and `train` change some."""
    cache = tmp_path_factory.mktemp("image-cache")

    def make(model: dict | None = None, **train) -> ImageConfig:
        base = recipes.mvtec()
        small = {"teacher": "resnet18", "teacher_weights": teacher_weights, "memory_items": 10}
        small |= {"reductions": (16, 8), "estimator_width": 4, **(model or {})}
        steps = {"epochs": 2, "batch_size": 4, "precision": "fp32", **train}
        return ImageConfig(
            "mvtec",
            replace(
                base.data, root=image_data, size=64, cache=cache, categories="discs", held_out=0.25
            ),
            replace(base.model, **small),
            loss=base.loss,
            score=base.score,
            train=replace(base.train, **steps),
        )

    return make


@pytest.fixture(scope="session")
def trained_images(tmp_path_factory, tiny_images) -> Path:
    """A run folder of images with α and threshold. Tests change only copies."""
    from dmad.api import calibrate, choose_weight, train_network

    run = train_network(tiny_images(epochs=6), tmp_path_factory.mktemp("image-runs")).folder
    choose_weight(run)
    calibrate(run, false_alarms="0.2/image")
    return run


@pytest.fixture(scope="session")
def shaken() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Gives random values to the norms and deformation heads of a network."""

    def shake(model):
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
        for head in model.estimator.heads:
            torch.nn.init.normal_(head.final.weight, std=0.1)
        return model.eval()

    return shake


@pytest.fixture(scope="session")
def export_run():
    """Exports a run with `ExportOptions`. If a package is missing, the test is skipped."""
    for package in ("onnx", "onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs pip install '.[export]'")
    from dmad.api import load
    from dmad.export.export import ExportOptions, export
    from dmad.runs import find_model

    def export_one(run: Path, format: str, precision: str = "fp32", **options):
        detector = load(run, fast=False, device="cpu")
        return export(detector, find_model(run), ExportOptions(format, precision, **options))

    return export_one


@pytest.fixture
def train_held_out(write_clip, tiny, tmp_path) -> Callable[..., Path]:
    """Trains a tiny run that holds out one of two clips of some frames, at ten a second."""
    from dmad.api import train_network

    def make(count: int, **settings: Any) -> Path:
        for seed in (0, 1):
            write_clip(tmp_path / "data" / "train" / str(seed), seed, count)
        config = tiny(tmp_path / "data", **settings)
        config = replace(config, data=replace(config.data, held_out=0.5, fps=10.0))
        return train_network(config, tmp_path / "runs").folder

    return make


@pytest.fixture
def random_model(shaken) -> PDM:
    """A network of video that deforms; its weights are random, and the same in every test."""
    torch.manual_seed(0)
    return shaken(PDM(TINY, SIZE, 1, 4))


@pytest.fixture(scope="session")
def make_detector() -> "Callable[..., Detector]":
    """Makes a detector of a network, which computes on the CPU in 32 bit on every machine."""
    from dmad.forms import form_of
    from dmad.inference.detector import Detector
    from dmad.inference.torch_backend import TorchBackend

    def make(model: torch.nn.Module, config: Config, scenes: Sequence[str] = ("",)) -> Detector:
        form = form_of(config)
        return Detector(TorchBackend(model, config, form, "cpu", bf16=False), config, form, scenes)

    return make


@pytest.fixture(scope="session")
def calibration_of() -> Callable[..., Calibration]:
    """Makes a calibration with a threshold. Its score is the first term and half of the second."""

    def make(threshold: float, fps: float = 10.0, window: int = 1, **rule: int) -> Calibration:
        unchanged = Standardisation(0.0, 1.0)
        shape = {"minimum": 2, "gap": 3, "cooldown": 4, **rule}
        return Calibration(
            scorer=Scorer(unchanged, unchanged, weight=0.5, window=window),
            rule=AlarmRule(threshold, 0.8 * threshold, **shape),
            budget=Budget(1.0, "hour"),
            fps=fps,
            interval=(threshold, threshold),
            margin=0.0,
            frames=9,
            clips=1,
            observed=0,
            warnings=(),
        )

    return make


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    """Headless Chromium. Without it, the test is skipped."""
    from browser import Browser

    pytest.importorskip("selenium", reason="selenium is not installed: pip install '.[dev]'")
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: apt-get install chromium chromium-driver")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def quiet(browser: "Browser") -> Iterator[None]:
    """The page writes nothing to the console and sends no request to the network."""
    browser.requests()
    yield
    assert browser.driver.get_log("browser") == []
    schemes = {url.split(":")[0] for url in browser.requests()}
    assert "file" in schemes
    assert schemes <= {"file", "data", "blob"}
