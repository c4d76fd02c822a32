"""`dmad bench`: speed as shipped beside the same model in plain eager float32, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from dmad import recipes
from dmad.config import Config
from dmad.data.decoding import decode
from dmad.data.street import Street, normal_clip
from dmad.experiments.tables import Table
from dmad.inference.detector import Detector
from dmad.inference.video import VideoWriter
from dmad.losses import total_loss
from dmad.machine import Plan, plan, quicken
from dmad.nn.pdm import PDM
from dmad.nn.ppdm import PPDM
from dmad.settings import changed
from dmad.visualize import save

ROUNDS = 7
BATCH = 8  # of the timed training steps
FRAMES = 24  # of the timed video
IMAGES = 4


def bench(what: str, sizes: Sequence[int]) -> Table:
    """Time `train` or `predict` of recipe ped2, or `images`.

    Returns:
        For each size the milliseconds, plain and as shipped, and how many times faster the shipped
        way is.
    """
    quicken()
    lines = []
    for size in sizes:
        base = recipes.images() if what == "images" else recipes.ped2()
        config = changed(base, size=size)
        plain, shipped = JOBS[what](config)
        slow, quick = in_turn(plain, shipped)
        cells = (f"{1e3 * median(times):.1f}" for times in (slow, quick))
        ratio = median(a / b for a, b in zip(slow, quick, strict=True))
        lines.append([f"{size}", *cells, f"{ratio:.2f}"])
    return Table(f"dmad bench {what}", ["size", "plain ms", "shipped ms", "times faster"], lines)


def in_turn(
    plain: Callable[[], float], shipped: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Seconds of each, run in turn so that a drift of the machine's speed hits both alike."""
    plain(), shipped()
    pairs = [(plain(), shipped()) for _ in range(ROUNDS)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def training_steps(config: Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """One step of `BATCH` samples, plain and as shipped."""
    plain = Plan("32-true", compile=False, channels_last=False)
    return _step(config, plain, fused=False), _step(config, plan(config.train, "cpu"), fused=True)


def _step(config: Config, compute: Plan, fused: bool) -> Callable[[], float]:
    torch.manual_seed(0)
    size = config.data.size
    model = PDM(config.model, size, config.data.channels, config.data.history)
    x, target = torch.rand(BATCH, 4, size, size) * 2 - 1, torch.rand(BATCH, 1, size, size) * 2 - 1
    if compute.channels_last:
        model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), fused=fused)

    def loss() -> torch.Tensor:
        return total_loss(target, model(x, target), config.loss).total

    forward = torch.compile(loss) if compute.compile else loss

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=compute.precision == "bf16-mixed"):
            value = forward()
        value.backward()  # type: ignore[no-untyped-call]
        if config.train.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip)
        optimizer.step()
        return time.perf_counter() - start

    return step


def single_frames(config: Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """A short video, decoded and judged frame by frame; seconds a frame, plain and as shipped."""
    torch.manual_seed(0)
    model = PDM(config.model, config.data.size, config.data.channels, config.data.history)
    plain = Detector(model, config, device="cpu", fast=False)
    shipped = Detector(model, config, device="cpu")
    return _judging(plain), _judging(shipped)


def single_images(config: Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """A picture, decoded and judged by itself; seconds each, plain and as shipped."""
    torch.manual_seed(0)
    model = PPDM(config.model, config.data.size)
    detectors = (Detector(model, config, device="cpu", fast=fast) for fast in (False, True))
    plain, shipped = map(_inspecting, detectors)
    return plain, shipped


def _inspecting(detector: Detector) -> Callable[[], float]:
    data = detector.config.data
    noise = np.random.default_rng(0).integers(0, 255, (2 * data.size, 2 * data.size, 3), np.uint8)

    def judge() -> float:
        with TemporaryDirectory() as folder:
            save(noise, path := Path(folder) / "part.png")
            start = time.perf_counter()
            for _ in range(IMAGES):
                list(detector.explain(decode(path, data.size, data.channels)))
            return (time.perf_counter() - start) / IMAGES

    return judge


def _judging(detector: Detector) -> Callable[[], float]:
    data = detector.config.data

    def judge() -> float:
        with TemporaryDirectory() as folder:
            path = film(Path(folder))
            start = time.perf_counter()
            frames = decode(path, data.size, data.channels, antialias=data.antialias)
            count = sum(len(found.index) for found in detector.explain(frames, batch=1))
            return (time.perf_counter() - start) / count

    return judge


JOBS = {"train": training_steps, "predict": single_frames, "images": single_images}


def film(folder: Path) -> Path:
    """A clip of the street as a video of 360 x 360."""
    clip = normal_clip(Street(size=120, frames=FRAMES), 0)
    path = folder / "street.mp4"
    with VideoWriter(path, 10) as film:
        for frame in clip.frames:
            film.write(np.repeat(np.repeat(frame, 3, 0), 3, 1))
    return path
