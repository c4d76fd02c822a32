"""The functions of `import dmad`: load, train, calibrate and evaluate a model.

Packages are imported inside the functions, so that an exported model needs only numpy and the
program that runs it, ONNX Runtime or OpenVINO.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmad.calibration.request import CalibrationRequest
from dmad.config import Config, config_of_card
from dmad.errors import DmadError, require
from dmad.files import write_atomically
from dmad.form import TrainedForm
from dmad.forms import form_of
from dmad.locks import locked
from dmad.runs import Run, find_model, has_model, read_card, read_config, update_card

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

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
    teacher: nn.Module | None = None,
) -> Detector:
    """Load a trained or exported model, and return its detector.

    An exported model does not need torch.

    Args:
        run: Run folder, `.safetensors` file, a folder that `dmad export` wrote, or the name of a
            model that comes with dmad, such as "ped2".
        scene: Name of the view that `calibration` was set for. A view is what a fixed camera shows.
        calibration: File that `dmad calibrate --out` wrote. None: the model's own threshold is
            used.
        device: Where to compute, such as "cpu" or "cuda". None: a GPU if there is one.
        fast: Optimise the network for speed. If the device is faster with 16-bit numbers, the
            network computes with 16-bit numbers.
        threads: Number of processor cores that an exported model uses. 0: all.
        teacher: For images: the network that was given to `train` as `teacher`. None: no network
            was given.

    Raises:
        DmadError: The model, the calibration or a package that the model needs does not exist.
    """
    from dmad.inference.loading import load_detector

    files = find_model(run)
    form = form_of(config_of_card(read_card(files)), teacher)
    detector = load_detector(files, form, device=device, fast=fast, threads=threads)
    detector.name = str(run)
    if calibration is None:
        return detector
    from dmad.calibration.calibration import read_calibration

    return detector.with_calibration(read_calibration(Path(calibration), scene))


def train(
    config: Config,
    out: str | Path = "runs",
    resume: str | Path | None = None,
    teacher: nn.Module | None = None,
) -> Run:
    """Train a network, or resume a training that was stopped. Then set the threshold of the model.

    The threshold is computed from held-out data: normal data that the training does not use. If
    `score.choose` is set, the weight of the deformation is chosen with the same data. A bank of
    patches that was made from a few images has no held-out data. Its threshold comes from a
    cross-validation. If the settings hold out no data, the model has no threshold. If the threshold
    cannot be set for another reason, this reason is logged.

    Args:
        config: All settings, as `dmad.recipe("ped2", ...)` returns them. To resume a run, give the
            settings of that run.
        out: Folder under which a new run folder is made. The link `latest` in it leads to the run
            that was started last.
        resume: Run folder of a training that was stopped. None: a new training.
        teacher: For images: the pretrained network whose features the model learns to restore. From
            images (B, 3, H, W) in [-1, 1], it computes three feature maps. Their height and width
            are 1/4, 1/8 and 1/16 of H and W. Give it also to `load`, `calibrate` and `evaluate`.
            None: the network that the settings name.

    Returns:
        The run folder, which holds the trained model.

    Raises:
        DmadError: Data is missing or unusable, the output is not writable, the loss is no longer
            finite, the teacher does not fit, or the run to resume has other settings.
    """
    from dmad.training.train import is_first_process

    run = train_network(config, out, resume, teacher)
    if is_first_process():
        set_threshold(run.folder, teacher)
    return run


def train_network(
    config: Config,
    out: str | Path = "runs",
    resume: str | Path | None = None,
    teacher: nn.Module | None = None,
) -> Run:
    """Train a network as `train` does, but set no threshold."""
    from dmad.model.teacher_weights import with_known_teacher
    from dmad.training.train import train as train_form

    require(isinstance(config, Config), 'give settings, as dmad.recipe("ped2", ...) makes them')
    form = form_of(config, teacher)
    return train_form(with_known_teacher(config, teacher), form, out, resume)


def complete(config: Config, folder: Path) -> None:
    """Train the model of a run folder, and set the threshold of this model.

    Steps that an earlier, stopped call has finished are skipped.
    """
    if not has_model(folder):
        train_network(config, resume=folder)
    set_threshold(folder)


def set_threshold(run: Path, teacher: nn.Module | None = None) -> None:
    """Set the threshold of a model, computed from the data held out from its training.

    If the settings say so, the weight of the deformation in the score is chosen first. If the model
    already has a threshold, or the settings hold out no data, nothing is done. If a threshold
    cannot be set for another reason, this reason is logged.

    Args:
        run: Run folder.
        teacher: For images: the network that was given to `train` as `teacher`. None: no network
            was given.
    """
    config = read_config(run)
    if not config.data.held_out or "calibration" in read_card(find_model(run)):
        return
    try:
        if config.score.choose:
            choose_weight(run, config.data.root, config.data.cache, teacher)
        calibration = calibrate(
            run, teacher=teacher, root=config.data.root, cache=config.data.cache
        )
    except DmadError as error:
        logger.warning("no threshold was set: %s", error)
    else:
        log_threshold(calibration)


def choose_weight(
    run: str | Path,
    root: Path | None = None,
    cache: Path | None = None,
    teacher: nn.Module | None = None,
) -> None:
    """Choose the weight of the deformation in the score, and store this weight in `model.json`.

    The choice uses synthetic anomalies, which are made from the held-out data.

    Args:
        run: Run folder.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames. None: the same folder as in training.
        teacher: For images: the network that was given to `train` as `teacher`. None: no network
            was given.

    Raises:
        DmadError: The run does not exist, its score has no deformation, or no data was held out
            from its training.
    """
    from dmad.data.locations import with_locations
    from dmad.data.splits import load_split

    detector = load(run, teacher=teacher)
    form = detector.form
    if not isinstance(form, TrainedForm):
        raise DmadError(f"{run} has no deformation, so no weight can be chosen for it")
    normal = load_split(with_locations(detector.config.data, root, cache), "held_out").footage
    with locked(find_model(run).card.parent):
        update_card(find_model(run), form.choose_weight(detector, normal))


def calibrate(
    run: str | Path,
    request: CalibrationRequest | None = None,
    *,
    teacher: nn.Module | None = None,
    **fields: Any,
) -> Calibration:
    """Set the threshold of a model from normal data only, and store it.

    `normal=[...]` names clips or images that raised a false alarm. The threshold then rises until
    they raise no alarm. `threshold=X` sets the threshold by hand. `undo=True` restores the
    threshold before the last change.

    Args:
        run: Run folder, exported model, `.safetensors` file, or the name of a model that comes with
            dmad. A model that comes with dmad cannot be changed. For such a model, give the field
            `out`, the file to write the threshold to.
        request: Options of the calibration. None: the default options.
        teacher: For images: the network that was given to `train` as `teacher`. None: no network
            was given.
        **fields: Fields of `CalibrationRequest`, such as `false_alarms="1/day"`. They replace the
            fields of `request`.

    Returns:
        The calibration that is stored now.

    Raises:
        DmadError: There is no such model or no normal data, or two options contradict each other.
    """
    request = replace(request or CalibrationRequest(), **fields)
    files = find_model(run)
    require(
        bool(request.out) or not files.shipped,
        f"{run} comes with dmad and cannot be changed; store the threshold with --out FILE",
    )
    with nullcontext() if request.out else locked(files.card.parent):
        detector = load(run, teacher=teacher)
        return detector.form.calibrate(detector, files, request)


def log_threshold(calibration: Calibration) -> None:
    """Log the threshold of a calibration, the warnings, and how much normal data was used."""
    for warning in calibration.warnings:
        logger.warning(warning)
    low, high = calibration.interval
    source = f"{calibration.frames} good images"
    if calibration.budget.unit != "image":
        frames = f"{calibration.frames} frames at {calibration.fps:g} per second"
        clips = "1 normal clip" if calibration.clips == 1 else f"{calibration.clips} normal clips"
        source = f"{clips}, {frames}"
    chosen = ", set by hand" if calibration.by_hand else ""
    logger.info(
        f"threshold {calibration.threshold:.3f}{chosen}; with a probability of 90 %, the right "
        f"threshold for {calibration.budget} is between {low:.3f} and {high:.3f} (from {source})"
    )


def evaluate(
    run: str | Path,
    root: Path | None = None,
    cache: Path | None = None,
    out: Path | None = None,
    teacher: nn.Module | None = None,
) -> Evaluation:
    """Score the test split of a data set, and write tables of results, scores and a report.

    Args:
        run: Run folder, exported model, `.safetensors` file or the name of a model that comes with
            dmad.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames. None: the same folder as in training.
        out: Folder to write to. None: `RUN/evaluation`.
        teacher: For images: the network that was given to `train` as `teacher`. None: no network
            was given.

    Returns:
        The scores and the ledger (the table of results).

    Raises:
        DmadError: There is no such model or test data, or the labels are missing or all equal.
    """
    from dmad.data.locations import with_locations
    from dmad.data.reading.paths import real_name
    from dmad.data.splits import load_split
    from dmad.report.page import render

    detector = load(run, teacher=teacher)
    if out is None:
        require(Path(run).is_dir(), f"{run} is no run folder; give a folder with --out DIR")
        out = Run(Path(run)).evaluation
    out, card = Path(out), read_card(find_model(run))
    data = with_locations(detector.config.data, root, cache)
    test = load_split(data, "test")
    _check_labels(test.labels, test.label_name, data.root)
    overlap = detector.form.training_overlap(data, detector, card)
    if overlap:
        logger.warning(overlap)
        test = replace(test, label_name=f"{test.label_name}; {overlap}")
    with locked(out):
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
        "`dmad predict` needs no labels",
    )
    kinds = set(labels.tolist() if labels is not None else ())
    only = "abnormal" if 1 in kinds else "normal"
    require(
        len(kinds) > 1,
        f"everything in {root} is {only} by its labels or folders ({name}); an evaluation needs "
        "normal and abnormal data",
    )


def write_evaluation(evaluation: Evaluation, out: Path) -> None:
    """Write `scores.npz`, `ledger.json` and `ledger.md` into a folder."""
    from dmad.evaluation.ledger_file import write_ledger
    from dmad.evaluation.score_file import write_scores

    write_scores(evaluation.scores, out / "scores.npz")
    write_ledger(evaluation.ledger, out, "Ledger")
