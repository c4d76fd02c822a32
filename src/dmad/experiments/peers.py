"""Compares dmad with other methods for images, with the same images, size, seed and rules.

Each method is trained and tested in a process of its own, so that its memory can be measured. The
results of all methods are computed with the functions of `dmad evaluate`.
"""

from __future__ import annotations

import json
import logging
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np

from dmad.calibration.held_out import HeldOut
from dmad.checked_files import read_mapping
from dmad.config import DataConfig
from dmad.data.footage import LabelledFootage, thin
from dmad.data.layouts.images import find_images
from dmad.data.locations import required_root
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.splits import load_split
from dmad.errors import DmadError, require
from dmad.evaluation.image_ledger import build_image_ledger
from dmad.evaluation.ledger import Ledger
from dmad.evaluation.ledger_file import write_ledger
from dmad.evaluation.score_file import ScoreSet
from dmad.evaluation.table import Table
from dmad.experiments.peer_methods import Method, Training, UnavailableError
from dmad.experiments.tables import print_table, without_nan, write_table
from dmad.files import make_folder, write_atomically
from dmad.forms.images.evaluation import CALIBRATED, ScoredImages, frames_of, pixel_rows
from dmad.forms.images.threshold import DEFAULT_BUDGET, image_evidence
from dmad.hardware import default_device, describe_machine, set_process_defaults

T = TypeVar("T")

TIMED = 24  # number of test images, evenly spread, with which the speed is measured
TRAINING_FILE = "training.json"
COLUMNS = (
    "method", "settings", "image AUROC", "pixel AUROC", "AUPRO", "recall", "false positives",
    "training min", "ms an image", "memory MiB", "memory of training MiB", "model MB",
)  # fmt: skip

Run = Callable[..., Any]  # calls a function with arguments, in this process or in another one

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tested:
    """The results of a method on the test split."""

    ledger: Ledger
    held_out: int  # number of good images that the threshold comes from
    memory: float  # largest memory of the process that scored the held-out images, in MiB


@dataclass(frozen=True)
class MethodOutcome:
    """The training and the results of a method, or the reason why there are none."""

    method: Method
    training: Training | None = None
    tested: Tested | None = None
    reason: str = ""  # why there are no results


def in_own_process(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a new process, and return its result.

    Raises:
        DmadError: The function raised this error, or the system ended the process.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), set_process_defaults) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise DmadError(
                "the system ended the process of a method; it probably needs more memory"
            ) from error


def peers(
    methods: Sequence[Method], data: DataConfig, out: Path, run: Run = in_own_process
) -> Table:
    """Train and test every method, print the table, and write `peers.md` and `peers.json`.

    Trainings that are finished in the folder are not repeated.

    Args:
        methods: The methods.
        data: The data settings of all methods.
        out: Folder to write to.
        run: Function that calls another function. By default, the other function runs in a new
            process.

    Raises:
        DmadError: There is no usable data, or the folder contains trainings with other settings.
    """
    require(data.tiles == 1, "methods are compared on whole images; give --data.tiles 1")
    folders = [out / method.name.lower().replace(" ", "-") for method in methods]
    outcomes = [
        outcome_of(method, data, folder, run)
        for method, folder in zip(methods, folders, strict=True)
    ]
    trained = [(one.method, one.training) for one in outcomes if one.training]
    logger.info("speed")
    seconds = run(seconds_per_image, trained, data) if trained else []
    table = table_of(outcomes, seconds)
    print_table(table)
    write_table(table, out / "peers", images=required_root(data).name, size=data.size)
    return table


def outcome_of(method: Method, data: DataConfig, folder: Path, run: Run) -> MethodOutcome:
    """Train and test a method. Its ledger is written to the folder."""
    logger.info(f"{method.name}: training")
    try:
        training = train_once(method, data, folder, run)
    except UnavailableError as error:
        logger.warning(f"{method.name} is left out: {error}")
        return MethodOutcome(method, reason=str(error))
    logger.info(f"{method.name}: test")
    tested = run(test_method, method, training, data)
    write_ledger(tested.ledger, folder)
    return MethodOutcome(method, training, tested)


def train_once(method: Method, data: DataConfig, folder: Path, run: Run) -> Training:
    """Train a method, or return the finished training that is stored in the folder.

    Raises:
        DmadError: The stored training has other settings.
    """
    if method.finished:
        return method.train(data, folder)
    path = folder / TRAINING_FILE
    settings = f"{method!r}, {replace(data, cache=None)!r}"
    if path.exists():
        stored = read_mapping(path, "delete it")
        same = stored.get("settings") == settings
        require(same, f"{folder} holds a training with other settings; choose another --out")
        known = {name: value for name, value in stored["training"].items() if value is not None}
        return Training(**known)
    make_folder(folder)
    training: Training = run(train_method, method, data, folder)
    stored = {"settings": settings, "training": without_nan(asdict(training))}
    write_atomically(path, json.dumps(stored, indent=1))
    return training


def train_method(method: Method, data: DataConfig, folder: Path) -> Training:
    """Train a method, and measure the memory of this process."""
    training = method.train(data, folder)
    return replace(training, memory=peak_memory(), machine=describe_machine(default_device()))


def test_method(method: Method, training: Training, data: DataConfig) -> Tested:
    """Score the held-out images and the test split, and compute all metrics."""
    held_out, labelled = load_split(data, "held_out").footage, load_split(data, "test")
    scorer = method.load(training)
    good = scorer(frames_of(held_out))
    memory = peak_memory()  # before the metrics, which need memory as well
    scored = scorer(frames_of(labelled.footage))
    ledger = ledger_of(good, scored, scorer.alpha, labelled)
    return Tested(ledger, len(good.reconstruction), memory)


def ledger_of(
    good: ScoredImages, scored: ScoredImages, alpha: float, labelled: LabelledFootage
) -> Ledger:
    """Return the ledger of a method, with the threshold that `dmad calibrate` would set.

    Args:
        good: Scores of the held-out good images.
        scored: Scores of the test split.
        alpha: Weight of the second term.
        labelled: The test split.
    """
    require(labelled.labels is not None, "the test split has no labels")
    assert labelled.labels is not None
    ones = np.ones(len(good.reconstruction), np.int64)
    held_out = HeldOut(good.reconstruction, good.deformation, ones, fps=1.0)
    evidence = image_evidence(held_out, alpha, DEFAULT_BUDGET)
    scores = evidence.scorer.score(scored.reconstruction, scored.deformation)
    lengths = np.ones(len(scores), np.int64)
    score_set = ScoreSet({"score": scores}, labelled.labels, lengths, 0.0, labelled.label_name)
    thresholds = {DEFAULT_BUDGET: (CALIBRATED, evidence.threshold)}
    ledger = build_image_ledger(score_set, {}, {CALIBRATED: scores}, thresholds)
    if labelled.masks is None:
        return ledger
    pixels = pixel_rows("deployable", CALIBRATED, scored, alpha, labelled)
    return replace(ledger, rows=[*ledger.rows, *pixels])


def seconds_per_image(
    trained: Sequence[tuple[Method, Training]], data: DataConfig
) -> list[tuple[float, float]]:
    """Measure the time for decoding and scoring an image.

    All methods score the first image, then all methods score the next image, and so on. So a change
    in the speed of the machine affects all methods. The first round is not counted.

    Returns:
        For each method, the median seconds and the median processor seconds of an image.
    """
    files = find_images(data, required_root(data), "test").files
    chosen = [files[index] for index in thin(np.arange(len(files)), TIMED)]
    scorers = [method.load(training) for method, training in trained]
    spent: list[list[tuple[float, float]]] = [[] for _ in scorers]
    for turn, file in enumerate([chosen[0], *chosen]):
        frame_format = replace(FrameFormat.from_settings(data), page=file.page)
        for scorer, times in zip(scorers, spent, strict=True):
            start = time.perf_counter(), time.process_time()
            scorer(list(decode(file.path, frame_format)))
            if turn > 0:
                times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return [
        (median(wall), median(own)) for wall, own in (zip(*times, strict=True) for times in spent)
    ]


def table_of(outcomes: Sequence[MethodOutcome], seconds: Sequence[tuple[float, float]]) -> Table:
    """Return the table of all methods. The notes say what is missing.

    Args:
        outcomes: Training and results of each method.
        seconds: Seconds and processor seconds per image, of each method that was trained.
    """
    rows, times = [], iter(seconds)
    for one in outcomes:
        if one.training is None or one.tested is None:
            rows.append([one.method.name, f"{one.method.settings}: not measured", *[""] * 10])
            continue
        rows.append(row_of(one.method, one.training, one.tested, next(times)))
    return Table("Comparison with other methods", COLUMNS, rows, notes_of(outcomes))


def row_of(
    method: Method, training: Training, tested: Tested, seconds: tuple[float, float]
) -> list[str]:
    """Return the row of a method that was trained and tested."""
    values = {row.metric: row.value for row in tested.ledger.rows}
    counts = {row.metric: row.note for row in tested.ledger.rows}
    return [
        method.name,
        method.settings,
        *(number_text(values.get(metric), 4) for metric in ("image_AUROC", "pixel_AUROC", "AUPRO")),
        *(count_text(counts[metric]) for metric in ("recall", "false_positive_rate")),
        times_text(training.minutes, training.processor_minutes, 1),
        times_text(1e3 * seconds[0], 1e3 * seconds[1], 0),
        number_text(tested.memory, 0),
        number_text(training.memory, 0),
        number_text(Path(training.model).stat().st_size / 1e6, 1),
    ]


def count_text(note: str) -> str:
    """Return the counts "52 of 63" from the note of a rate: "at 1 %: 52 of 63 abnormal, …"."""
    words = note.partition(": ")[2].split()
    return " ".join(words[:3])


def number_text(value: float | None, digits: int) -> str:
    """Return a number as text; "" if it is not known."""
    return "" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def times_text(time: float, processor_time: float, digits: int) -> str:
    """Return a time, and in brackets the processor time if it is known."""
    processor = number_text(processor_time, digits)
    return number_text(time, digits) + (f" ({processor})" if processor else "")


def notes_of(outcomes: Sequence[MethodOutcome]) -> list[str]:
    """Return the lines below the table. They explain its columns, and say what is missing."""
    held_out = {one.tested.held_out for one in outcomes if one.tested}
    notes = [
        "Recall and false positives count the test images whose score reaches the threshold. The "
        "threshold allows false alarms on 1 % of good images. For each method, the same rule sets "
        f"the threshold with the same {max(held_out, default=0)} held-out good images, without "
        "labels.",
        f"ms an image: median of up to {TIMED} test images, decoded and scored one at a time, in "
        "PyTorch. In brackets: processor time of all threads. Other programs hardly change it. "
        "Memory: the largest memory of the process, with Python and all libraries.",
    ]
    here = describe_machine(default_device())
    for one in outcomes:
        if one.reason:
            notes.append(f"{one.method.name} was not measured: {one.reason}.")
        elif one.training and one.training.machine not in ("", here):
            notes.append(f"{one.method.name} was trained on {one.training.machine}.")
    return notes


def peak_memory() -> float:
    """Return the largest memory that this process has used, in MiB.

    On Linux, the kernel's status file is read instead of `getrusage`, which would also count the
    memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
