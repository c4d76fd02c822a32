"""`dmad bench`: speed as shipped beside the same model in plain eager float32, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from dmad import recipes
from dmad.config import Config, changed
from dmad.data.reading.decode import decode
from dmad.data.synthetic.street import Street, normal_clip
from dmad.drawing.pictures import save
from dmad.drawing.video_writer import VideoWriter
from dmad.experiments.tables import Table
from dmad.export.export import Format, Precision, build, missing_packages
from dmad.hardware import Plan, plan, quicken
from dmad.inference.detector import Detector
from dmad.inference.runtime import Runtime, session
from dmad.model.losses import total_loss
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM
from dmad.runs import GRAPHS

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


ROUNDS = 5

PLAIN = "PyTorch, plain float32"

FORMS: dict[str, tuple[Format, Precision]] = {
    "ONNX Runtime fp32": ("onnx", "fp32"),
    "OpenVINO fp32": ("openvino", "fp32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "OpenVINO int8": ("openvino", "int8"),
}

Judge = Callable[[Iterable[np.ndarray]], Iterator[Any]]


def deploy(sizes: Sequence[int]) -> Table:
    """Time each form on the same video, one frame at a time, decoding included.

    Recipe ped2 with random weights. Forms run in turn, so that a drift of the machine's speed
    hits all alike.

    Returns:
        For each form and size the milliseconds, and how many times faster than plain eager float32
        PyTorch it is.
    """
    quicken()
    lines = []
    for size in sizes:
        config = recipes.recipe("ped2", size=size)
        with TemporaryDirectory() as folder, missing_packages():
            path = film(Path(folder))
            times = in_rounds(forms(config, Path(folder), path), path, config)
        plain = 1e3 * np.median(times[PLAIN])
        for form, spent in times.items():
            middle, late = 1e3 * np.percentile(spent, (50, 95))
            figures = (f"{middle:.1f}", f"{late:.1f}", f"{1e3 / middle:.1f}")
            lines.append([form, f"{size}", *figures, f"{plain / middle:.2f}"])
    names = ["form", "size", "median ms", "95th percentile", "frames a second", "times faster"]
    return Table("dmad bench deploy", names, lines)


def forms(config: Config, folder: Path, path: Path) -> dict[str, Judge]:
    """The same network in every form, by name; a video gives the ranges of int8."""
    torch.manual_seed(0)
    data = config.data
    model = PDM(config.model, data.size, data.channels, data.history)
    assert model.background is not None
    background = model.background.detach().numpy()
    frames = np.stack(list(decode(path, data.size, data.channels, antialias=data.antialias)))
    length = data.history + 1
    windows = [frames[start : start + length][None] for start in range(len(frames) - length + 1)]
    inputs = [{"frames": window, "background": background} for window in windows]
    found = {
        PLAIN: one_by_one(Detector(model, config, device="cpu", fast=False)),
        "PyTorch as shipped": one_by_one(Detector(model, config, device="cpu")),
    }
    for name, (form, precision) in FORMS.items():
        place = folder / name
        place.mkdir()
        build(model, config, form, precision, place, inputs)
        run = session(place / GRAPHS[form], precision, torch.get_num_threads())
        found[name] = Runtime(run, config, ("",), background).explain
    return found


def one_by_one(detector: Detector) -> Judge:
    """Judges each frame by itself."""
    return lambda frames: detector.explain(frames, batch=1)


def in_rounds(judges: dict[str, Judge], path: Path, config: Config) -> dict[str, list[float]]:
    """Seconds of every frame of a video, by form; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in judges}
    for turn in range(1 + ROUNDS):
        for name, judge in judges.items():
            spent = list(seconds(judge, path, config))
            times[name] += spent if turn else []
    return times


def seconds(judge: Judge, path: Path, config: Config) -> Iterator[float]:
    """Of each judged frame but the first: the time since the one before it was judged."""
    data = config.data
    judged = judge(decode(path, data.size, data.channels, antialias=data.antialias))
    for _ in islice(judged, 1):  # opening the file and filling the window
        start = time.perf_counter()
    for _ in judged:
        now = time.perf_counter()
        yield now - start
        start = now
