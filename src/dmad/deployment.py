"""`dmad bench deploy`: frames a second of a model in the forms it can be shipped in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from dmad import recipes
from dmad.bench import film
from dmad.config import Config
from dmad.data.decoding import decode
from dmad.experiments.tables import Table
from dmad.inference.detector import Detector
from dmad.inference.export import Format, Precision, build, missing_packages
from dmad.inference.runtime import Runtime, session
from dmad.machine import quicken
from dmad.nn.pdm import PDM
from dmad.runs import GRAPHS

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
