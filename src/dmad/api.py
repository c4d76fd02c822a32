"""What `import dmad` offers: load, train, calibrate and evaluate a model, whatever its form.

Functions import what they need, so that an exported model runs with numpy and its runtime alone.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmad.calibration.request import CalibrationRequest
from dmad.config import Config, config_of_card
from dmad.errors import DmadError, require
from dmad.files import make_folder, write_atomically
from dmad.forms import form_of
from dmad.runs import Run, find_model, has_model, read_card, read_config, update_card

if TYPE_CHECKING:
    import numpy as np

    from dmad.calibration.calibration import Calibration
    from dmad.evaluation.result import Evaluation
    from dmad.inference.detector import Detector

logger = logging.getLogger(__name__)


def load(
    run: str | Path,
    *,
    scene: str = "",
    calibration: Path | None = None,
    device: str | None = None,
    fast: bool = True,
    threads: int = 0,
) -> Detector:
    """Load a trained or an exported model, ready to judge. An exported one needs no torch.

    Args:
        run: Run folder, `.safetensors` file, name of a shipped model such as "ped2", or a folder
            that `dmad export` wrote.
        scene: View that `calibration` must belong to.
        calibration: File that `dmad calibrate --out` wrote. None: the model's own threshold.
        device: Where to compute, such as "cpu" or "cuda". None: a GPU if there is one.
        fast: Fold and pack the network, and use 16 bit if the device is fast in it.
        threads: Processor cores that an exported model uses. 0 is all.

    Raises:
        DmadError: No such model or calibration, or a package that it needs is missing.
    """
    from dmad.inference.loading import load_detector

    files = find_model(run)
    form = form_of(config_of_card(read_card(files)))
    detector = load_detector(files, form, device=device, fast=fast, threads=threads)
    if calibration is None:
        return detector
    from dmad.calibration.calibration import read_calibration

    return detector.with_calibration(read_calibration(Path(calibration), scene))


def train(config: Config, out: str | Path = "runs", resume: str | Path | None = None) -> Run:
    """Train a network from settings, or resume a run that was stopped. Sets no threshold.

    Args:
        config: All settings, as `dmad.recipe("ped2", ...)` returns them; those of the run if
            `resume` is given.
        out: Folder under which a new run folder is made.
        resume: Run folder to resume.

    Returns:
        The run, its model saved.

    Raises:
        DmadError: Data is missing or unusable, the output is not writable, the loss is no longer
            finite, or the run to resume has other settings.
    """
    from dmad.training.train import train as train_form

    require(isinstance(config, Config), 'give settings, as dmad.recipe("ped2", ...) makes them')
    return train_form(config, form_of(config), out, resume)


def train_and_calibrate(
    config: Config, out: str | Path = "runs", resume: str | Path | None = None
) -> Path:
    """Train a network and set its threshold on what was held out. Returns the run folder."""
    from dmad.training.train import is_first_process

    folder = train(config, out, resume).folder
    if is_first_process():
        set_threshold(folder)
    return folder


def complete(config: Config, folder: Path) -> None:
    """Train the run in a folder and set its threshold, as far as that is not done yet."""
    if not has_model(folder):
        train(config, resume=folder)
    set_threshold(folder)


def set_threshold(run: Path) -> None:
    """Set the threshold of a model that has none, on what its training held out.

    Without suitable held-out data it logs why, and the model stays without a threshold.
    """
    config = read_config(run)
    if not config.data.held_out or "calibration" in read_card(find_model(run)):
        return
    try:
        if config.score.choose:
            choose_weight(run, config.data.root, config.data.cache)
        calibration = calibrate(run, root=config.data.root, cache=config.data.cache)
    except DmadError as error:
        logger.warning("no threshold was set: %s", error)
    else:
        log_threshold(calibration)


def choose_weight(run: str | Path, root: Path | None = None, cache: Path | None = None) -> None:
    """Choose the weight of the deformation by synthetic anomalies, and store it in the card.

    Args:
        run: Run folder.
        root: Folder of the data set, if it is not where it was in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: No such run, or nothing was held out.
    """
    from dmad.data.locations import with_locations
    from dmad.data.splits import load_split

    detector = load(run)
    normal = load_split(with_locations(detector.config.data, root, cache), "held_out").footage
    update_card(find_model(run), detector.form.choose_weight(detector, normal))


def calibrate(
    run: str | Path, request: CalibrationRequest | None = None, **fields: Any
) -> Calibration:
    """Set a model's threshold from normal data alone, and store it.

    Args:
        run: Run folder, export, .safetensors file, or name of a shipped model with `out`.
        request: What is asked of the calibration.
        **fields: Fields of `CalibrationRequest`, such as `false_alarms="1/day"`.

    Raises:
        DmadError: No such model, no normal data, or a request that contradicts itself.
    """
    request = replace(request or CalibrationRequest(), **fields)
    files = find_model(run)
    require(
        bool(request.out) or not files.shipped,
        f"{run} ships with the project and is not changed; store the threshold with --out FILE",
    )
    detector = load(run)
    return detector.form.calibrate(detector, files, request)


def log_threshold(calibration: Calibration) -> None:
    """Log a threshold and what to know about it."""
    low, high = calibration.interval
    source = f"{calibration.frames} good images"
    if calibration.budget.unit != "image":
        frames = f"{calibration.frames} frames at {calibration.fps:g} a second"
        clips = "1 normal clip" if calibration.clips == 1 else f"{calibration.clips} normal clips"
        source = f"{clips}, {frames}"
    logger.info(
        f"threshold {calibration.threshold:.3f} for {calibration.budget} "
        f"(90 % interval {low:.3f} to {high:.3f}), from {source}"
    )
    for warning in calibration.warnings:
        logger.warning(warning)


def evaluate(
    run: str | Path, root: Path | None = None, cache: Path | None = None, out: Path | None = None
) -> Evaluation:
    """Score the test split of a data set; write ledger, scores and `report.html`.

    Args:
        run: Run folder, export, `.safetensors` file or name of a shipped model.
        root: Folder of the data set, if it is not where it was in training.
        cache: Folder for decoded frames.
        out: Folder to write to. None: `RUN/evaluation`.

    Raises:
        DmadError: No such model, no test data, or no labels of both kinds.
    """
    from dmad.data.locations import with_locations
    from dmad.data.reading.paths import real_name
    from dmad.data.splits import load_split
    from dmad.report.page import render

    detector = load(run)
    if out is None:
        require(Path(run).is_dir(), f"{run} is no run folder; give a folder with --out DIR")
        out = Run(Path(run)).evaluation
    out, card = Path(out), read_card(find_model(run))
    data = with_locations(detector.config.data, root, cache)
    test = load_split(data, "test")
    _check_labels(test.labels, test.label_name, data.root)
    make_folder(out)
    overlap = detector.form.training_overlap(data, detector, card)
    if overlap:
        logger.warning(overlap)
        test = replace(test, label_name=f"{test.label_name}; {overlap}")
    evaluation = detector.form.evaluate(detector, test)
    write_evaluation(evaluation, out)
    title = real_name(Path(run))
    report = detector.form.summarise(title, detector, test, evaluation, card)
    write_atomically(out / "report.html", render(report))
    return evaluation


def _check_labels(labels: np.ndarray | None, name: str, root: Path | None) -> None:
    require(
        labels is not None,
        f"the test split of {root} has no labels; `dmad data {root}` says where to put them; "
        "`dmad predict` needs none",
    )
    kinds = set(labels.tolist() if labels is not None else ())
    only = "abnormal" if 1 in kinds else "normal"
    require(
        len(kinds) > 1,
        f"everything in {root} is {only} by its labels or folders ({name}); an evaluation needs "
        "both kinds",
    )


def write_evaluation(evaluation: Evaluation, out: Path) -> None:
    """Write `scores.npz`, `ledger.json` and `ledger.md` into a folder."""
    from dmad.evaluation.ledger_file import write_ledger
    from dmad.evaluation.score_file import write_scores

    write_scores(evaluation.scores, out / "scores.npz")
    write_ledger(evaluation.ledger, out, "Ledger")
