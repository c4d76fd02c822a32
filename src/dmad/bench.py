"""`dmad bench`: the speed of dmad, compared with the same network in plain 32-bit PyTorch.

All networks have random weights, and all frames are generated. A job is a function that does the
work to be measured, and returns the seconds that this work took. Each round runs every job once, so
that a change in the speed of the machine affects all jobs in the same way. In the tables, `shipped`
is the network as dmad runs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch

from dmad import recipes
from dmad.config import Config, DataConfig, PatchModelConfig, TrainedConfig, changed
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.synthetic.street import Street, normal_clip
from dmad.data.windows import Batch
from dmad.drawing.pictures import save_png
from dmad.drawing.video_writer import VideoWriter
from dmad.evaluation.table import Table
from dmad.experiments.anomalib_methods import (
    EFFICIENT_AD,
    REVERSE_DISTILLATION,
    AnomalibMethod,
    PeerSettings,
    require_anomalib,
)
from dmad.export.export import Format, Precision, missing_packages, write_graph
from dmad.form import TrainedForm
from dmad.forms import form_of
from dmad.hardware import ComputeSettings, compute_settings
from dmad.inference.detector import Detector
from dmad.inference.exported_backend import ExportedBackend, Graph, load_graph, load_openvino
from dmad.inference.torch_backend import TorchBackend
from dmad.model.patch_bank import PatchBank
from dmad.runs import GRAPH_FILES

ROUNDS = 7
BATCH = 8  # samples of a training step
FRAMES = 24  # of the video
IMAGES = 4  # number of times that an image is scored in a round
BANK = PatchModelConfig.patches  # number of random patches of a bank

PLAIN = "PyTorch, plain float32"
EXPORTS: dict[str, tuple[Format, Precision]] = {
    "ONNX Runtime fp32": ("onnx", "fp32"),
    "OpenVINO fp32": ("openvino", "fp32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "OpenVINO int8": ("openvino", "int8"),
}

PEERS = {  # methods of anomalib, with the network of each
    "RD, wide ResNet-50": (REVERSE_DISTILLATION, "wide_resnet50_2"),
    "RD, ResNet-18": (REVERSE_DISTILLATION, "resnet18"),
    "EfficientAD-S": (EFFICIENT_AD, "resnet18"),  # it does not use this network
}

What = Literal["train", "predict", "images", "deploy", "peers"]
Job = Callable[[], float]  # does some work and returns the seconds, or the seconds per sample


def bench(what: What, sizes: Sequence[int], rounds: int = ROUNDS, frames: int = FRAMES) -> Table:
    """Measure the speed of training, prediction, images or exports.

    Args:
        what: `train` measures a training step of recipe ped2. `predict` scores a video with recipe
            ped2. `images` scores an image with recipe images. `deploy` scores a video with PyTorch
            and with the exported models that `EXPORTS` lists. `peers` scores an image with exported
            models of recipes images and patches, and of the methods of anomalib in `PEERS`.
        sizes: Height and width of the frames or images in pixels.
        rounds: Number of times that each measurement is repeated. The table shows medians.
        frames: Number of frames of the video.

    Returns:
        A table with one row for each size. For `deploy` and `peers`, it has one row for each size
        and model.
    """
    if what == "deploy":
        return bench_exports(sizes, rounds, frames)
    if what == "peers":
        return bench_peers(sizes, rounds)
    rows = []
    for size in sizes:
        with TemporaryDirectory() as folder:
            plain, shipped = make_jobs(what, size, frames, Path(folder))
            seconds = time_in_turn({"plain": plain, "shipped": shipped}, rounds)
        milliseconds = [f"{1e3 * median(times):.1f}" for times in seconds.values()]
        ratios = [a / b for a, b in zip(seconds["plain"], seconds["shipped"], strict=True)]
        rows.append([f"{size}", *milliseconds, f"{median(ratios):.2f}"])
    return Table(f"dmad bench {what}", ["size", "plain ms", "shipped ms", "times faster"], rows)


def make_jobs(what: What, size: int, frames: int, folder: Path) -> tuple[Job, Job]:
    """Return two jobs that do the same work: the work `what` of `bench`.

    The first job uses plain 32-bit PyTorch. The second job does the work as dmad does it.
    """
    if what == "images":
        config: Config = changed(recipes.images(), size=size)
        return image_job(config, False, folder), image_job(config, True, folder)
    config = changed(recipes.ped2(), size=size)
    if what == "train":
        shipped = compute_settings(config.train, "cpu")
        return training_job(config, ComputeSettings(), False), training_job(config, shipped, True)
    video = write_video(folder / "street.mp4", frames)
    return video_job(config, False, video), video_job(config, True, video)


def time_in_turn(jobs: dict[str, Job], rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each job took in each round, by the name of the job.

    One more round runs first, and is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(1 + rounds):
        for name, job in jobs.items():
            spent = job()
            if turn > 0:
                seconds[name].append(spent)
    return seconds


def training_job(config: TrainedConfig, compute: ComputeSettings, fused: bool) -> Job:
    """Return a job that takes one training step with `BATCH` random samples.

    Args:
        config: Settings of the network and the training.
        compute: Number format, memory layout, and whether the network is compiled.
        fused: Use the faster (fused) form of PyTorch's optimiser.
    """
    torch.manual_seed(0)
    size, history = config.data.size, config.data.history
    form = form_of(config)
    assert isinstance(form, TrainedForm)
    model = form.network(config)
    x = torch.rand(BATCH, history, size, size) * 2 - 1
    target = torch.rand(BATCH, 1, size, size) * 2 - 1
    batch = Batch(torch.empty(0), torch.zeros(BATCH, dtype=torch.long))
    if compute.channels_last:
        model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), fused=fused)

    def loss() -> torch.Tensor:
        _, losses = form.losses(model, config, batch, x, target)
        return losses.total

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


def random_detector(config: Config, fast: bool) -> Detector:
    """Return a detector for the CPU with the same random weights at every call.

    Args:
        config: Settings of the network.
        fast: True: run the network as dmad does. False: run it in plain 32-bit PyTorch.
    """
    torch.manual_seed(0)
    form = form_of(config)
    model = form.network(config)
    if isinstance(model, PatchBank):
        model = model.with_patches(torch.rand(BANK, model.patches.shape[1]))
    backend = TorchBackend(model, config, form, "cpu", fast)
    return Detector(backend, config, form)


def image_job(config: Config, fast: bool, folder: Path) -> Job:
    """Return a job that decodes and scores an image with the settings `config`."""
    detector, path = random_detector(config, fast), write_image(folder, config.data.size)
    return scoring_job(partial(judge_all, detector), path, config.data)


def judge_all(detector: Detector, frames: Iterator[np.ndarray]) -> None:
    """Score all images with a detector. The scores are not kept."""
    for _ in detector.judge(frames):
        pass


def write_image(folder: Path, size: int) -> Path:
    """Write a generated image that is `2 * size` pixels wide and high, and return its path.

    The image is resized to `size` before it is scored, as a photo would be.
    """
    path, shape = folder / "part.png", (2 * size, 2 * size, 3)
    save_png(np.random.default_rng(0).integers(0, 255, shape, np.uint8), path)
    return path


def scoring_job(
    score: Callable[[Iterator[np.ndarray]], object], path: Path, data: DataConfig
) -> Job:
    """Return a job that decodes and scores an image `IMAGES` times.

    The job returns the mean seconds per image.
    """

    def score_images() -> float:
        start = time.perf_counter()
        for _ in range(IMAGES):
            score(decode(path, FrameFormat.from_settings(data)))
        return (time.perf_counter() - start) / IMAGES

    return score_images


def video_job(config: Config, fast: bool, video: Path) -> Job:
    """Return a job that decodes and scores a video. It returns the mean seconds per frame."""
    detector = random_detector(config, fast)

    def score_video() -> float:
        start = time.perf_counter()
        frames = decode(video, FrameFormat.from_settings(config.data))
        count = len(list(detector.judge(frames, batch=1)))
        return (time.perf_counter() - start) / count

    return score_video


def write_video(path: Path, frames: int) -> Path:
    """Write a generated street clip as a video of 360 x 360 pixels, and return its path."""
    clip = normal_clip(Street(size=120, frames=frames), 0)
    with VideoWriter(path, 10) as video:
        for frame in clip.frames:
            video.write(np.repeat(np.repeat(frame, 3, 0), 3, 1))
    return path


def bench_exports(sizes: Sequence[int], rounds: int, frames: int) -> Table:
    """Measure the time per frame of a video, with PyTorch and with the models of `EXPORTS`.

    The time includes the decoding of the video.
    """
    rows = []
    for size in sizes:
        config = changed(recipes.ped2(), size=size)
        with TemporaryDirectory() as name, missing_packages():
            folder = Path(name)
            video = write_video(folder / "street.mp4", frames)
            seconds = frame_seconds(make_detectors(config, folder, video), video, rounds)
        plain = 1e3 * np.median(seconds[PLAIN])
        for runtime, spent in seconds.items():
            middle, late = 1e3 * np.percentile(spent, (50, 95))
            figures = [f"{middle:.1f}", f"{late:.1f}", f"{1e3 / middle:.1f}"]
            rows.append([runtime, f"{size}", *figures, f"{plain / middle:.2f}"])
    columns = [
        "runtime", "size", "median ms", "95th percentile", "frames a second", "times faster"
    ]  # fmt: skip
    return Table("dmad bench deploy", columns, rows)


def make_detectors(config: Config, folder: Path, video: Path) -> dict[str, Detector]:
    """Return detectors by name: the same network in PyTorch and in each format of `EXPORTS`.

    Args:
        config: Settings of the network.
        folder: Folder for the exports.
        video: A video. An export to int8 measures the ranges of the network's values on it.
    """
    plain = random_detector(config, fast=False)
    frames = decode(video, FrameFormat.from_settings(config.data))
    inputs = list[dict[str, np.ndarray]]()
    for window in plain.window_maker("").windows(frames):
        assert window.background is not None
        stacked = np.stack(window.frames)
        inputs.append({"frames": stacked[None], "background": window.background[None]})
    detectors = {PLAIN: plain, "PyTorch as shipped": random_detector(config, fast=True)}
    for name in EXPORTS:
        detectors[name] = exported_detector(plain, name, folder / name, inputs)
    return detectors


def exported_detector(
    plain: Detector, export: str, folder: Path, inputs: Sequence[dict[str, np.ndarray]]
) -> Detector:
    """Export a detector into a new folder, and return the detector of the exported model.

    Args:
        plain: The detector to export.
        export: Name of the format, from `EXPORTS`.
        folder: The new folder.
        inputs: Inputs of the network. An export to int8 measures the ranges of the network's values
            on them.
    """
    (format, precision), backend = EXPORTS[export], plain.backend
    assert isinstance(backend, TorchBackend)
    folder.mkdir()
    write_graph(backend, format, precision, folder, inputs)
    graph = load_graph(folder / GRAPH_FILES[format], precision, torch.get_num_threads())
    return Detector(ExportedBackend(graph, backend.templates), plain.config, plain.form)


def frame_seconds(
    detectors: dict[str, Detector], video: Path, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds that each frame took in all rounds, by the name of the detector.

    One more round runs first, and is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in detectors}
    for turn in range(1 + rounds):
        for name, detector in detectors.items():
            spent = list(_seconds_between_frames(detector, video))
            if turn > 0:
                seconds[name] += spent
    return seconds


def _seconds_between_frames(detector: Detector, video: Path) -> Iterator[float]:
    """Yield the seconds from each scored frame of a video to the next one."""
    frames = decode(video, FrameFormat.from_settings(detector.config.data))
    judged = detector.judge(frames, batch=1)
    for _ in islice(judged, 1):  # the time to open the file does not count
        start = time.perf_counter()
    for _ in judged:
        now = time.perf_counter()
        yield now - start
        start = now


def bench_peers(sizes: Sequence[int], rounds: int) -> Table:
    """Measure the time per image, with exported models of dmad and of the methods in `PEERS`.

    The time includes the decoding of the image.

    Raises:
        DmadError: A package is missing.
    """
    require_anomalib()
    rows = []
    for size in sizes:
        with TemporaryDirectory() as name, missing_packages():
            folder = Path(name)
            path = write_image(folder, size)
            jobs = {**own_jobs(size, path, folder), **peer_jobs(size, path, folder)}
            seconds = time_in_turn(jobs, rounds)
        for name, spent in seconds.items():
            middle = median(spent)
            ratios = [
                median(theirs / ours for theirs, ours in zip(seconds[peer], spent, strict=True))
                for peer in PEERS
            ]
            figures = [f"{1e3 * middle:.1f}", f"{1 / middle:.1f}"]
            rows.append([name, f"{size}", *figures, *(f"{ratio:.2f}" for ratio in ratios)])
    columns = ["model", "size", "median ms", "images a second", *(f"times {one}" for one in PEERS)]
    note = (
        "RD (Reverse Distillation) and EfficientAD-S are those of anomalib, exported by anomalib. "
        "All models run in OpenVINO, and all weights are random. The last columns show how many "
        "times as fast the model is as each method of anomalib (the median over all rounds)."
    )
    return Table("dmad bench peers", columns, rows, [note])


def own_jobs(size: int, path: Path, folder: Path) -> dict[str, Job]:
    """Return jobs, by name, that score an image with exported models of recipes images and patches.

    Args:
        size: Height and width in pixels to which the image is resized before it is scored.
        path: The image.
        folder: Folder for the exported models.
    """
    jobs = {}
    for recipe in (recipes.images(), recipes.patches()):
        config: Config = changed(recipe, size=size)
        plain = random_detector(config, fast=False)
        frames = decode(path, FrameFormat.from_settings(config.data))
        inputs = [{"frames": frame[None, None]} for frame in frames]
        for export in ("OpenVINO fp32", "OpenVINO int8"):
            name = f"{config.recipe}, {EXPORTS[export][1]}"
            detector = exported_detector(plain, export, folder / name, inputs)
            jobs[name] = scoring_job(partial(judge_all, detector), path, config.data)
    return jobs


def peer_jobs(size: int, path: Path, folder: Path) -> dict[str, Job]:
    """Return jobs, by name, that score an image with the exported methods of anomalib in `PEERS`.

    Args:
        size: Height and width in pixels to which the image is resized before it is scored.
        path: The image.
        folder: Folder for the exported models.
    """
    jobs, data = {}, changed(recipes.images(), size=size).data
    for name, (method, backbone) in PEERS.items():
        peer = AnomalibMethod(method, PeerSettings(backbone), size)
        graph, _ = load_openvino(peer.export(folder / name), "fp32", torch.get_num_threads())
        jobs[name] = scoring_job(partial(score_with_peer, graph), path, data)
    return jobs


def score_with_peer(graph: Graph, frames: Iterator[np.ndarray]) -> None:
    """Score images, each (H, W, 3) uint8, with an exported model (graph) of anomalib.

    The scores are not kept.
    """
    for frame in frames:
        graph({"input": frame.transpose(2, 0, 1)[None].astype(np.float32) / 255})
