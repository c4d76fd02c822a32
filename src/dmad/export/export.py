"""Exports a model to ONNX or OpenVINO, and checks that its scores are those of PyTorch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from dmad.config import DataConfig
from dmad.data.footage import Footage
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.data.synthetic.anomalies import Sequences
from dmad.errors import DmadError, require
from dmad.export.compare import (
    COMPARED,
    SyntheticChange,
    compare_ranking,
    compare_synthetic,
    compare_terms,
    generated_clip,
)
from dmad.export.export_folder import CARD, check_folder, finish_export, hashes, replace_export
from dmad.export.graph import Graph, example_inputs
from dmad.export.quantise import graph_inputs, normal_windows, quantise
from dmad.files import errors_that_name, unfinished_folder
from dmad.inference.detector import Detector
from dmad.inference.loading import load_detector
from dmad.inference.runtimes import import_runtime
from dmad.inference.torch_backend import TorchBackend
from dmad.locks import locked
from dmad.runs import TEMPLATES, ModelFiles, find_model, read_card, without_local_paths

logger = logging.getLogger(__name__)

Format = Literal["onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]

# So many pairs of a normal window and a synthetic anomaly can change their order by chance.
CHANCE_PAIRS = 3
# Smallest accepted mean score of synthetic anomalies in int8, divided by that in PyTorch.
LEAST_KEPT = 0.9
# Largest accepted difference of a score or term, divided by its mean.
LARGEST_DIFFERENCE = {"fp32": 1e-3, "bf16": 2e-2}


@dataclass(frozen=True)
class ExportOptions:
    """Which export is written, and the data that it is compared on.

    Args:
        format: Runtime for which the model is written: `onnx` (ONNX Runtime) or `openvino`.
        precision: Precision of the computation. For int8, the value ranges come from held-out
            normal clips, and from synthetic anomalies in these clips.
        out: Folder to write to. None: `RUN/export/FORMAT-PRECISION`.
        root: Folder of the data set. None: the folder that was used in training. If this folder is
            unknown, generated frames are compared. int8 needs a data set.
        cache: Folder for decoded frames. None: the folder that was used in training.
        auroc_loss: Largest fall of the AUROC (0 to 1) that is accepted for int8. It is measured on
            synthetic anomalies, and on the test split if it has labels.
    """

    format: Format
    precision: Precision = "fp32"
    out: Path | None = None
    root: Path | None = None
    cache: Path | None = None
    auroc_loss: float = 0.005

    def __post_init__(self) -> None:
        require(
            (self.format, self.precision) != ("onnx", "bf16"),
            "ONNX Runtime has no bf16 on CPUs; give --format openvino or --precision fp32",
        )


@dataclass(frozen=True)
class ExportReport:
    """The folder of an export, and how much its scores differ from those of PyTorch."""

    folder: Path
    format: Format
    precision: Precision
    difference: float  # `TermChange.largest`, on normal frames
    frames: int  # number of frames that were compared
    synthetic: SyntheticChange | None = None  # for int8, if synthetic anomalies can be made
    auroc: float | None = None  # for int8, if the test split has labels
    auroc_pytorch: float | None = None
    largest: float | None = None  # largest difference of a test score, divided by the mean score
    generated: bool = False  # the frames were generated, because there was no data set

    def lines(self) -> Iterator[str]:
        """Yield the results of the comparison as lines of text."""
        frames = f"{self.frames} generated frames" if self.generated else f"{self.frames} frames"
        yield f"largest difference from PyTorch: {self.difference:.1e} ({frames})"
        if self.synthetic:
            ours, theirs = self.synthetic.auroc_pytorch, self.synthetic.auroc
            yield (
                f"synthetic anomalies: {_change(ours, theirs)}; {self.synthetic.kept:.1%} of the "
                "score kept"
            )
        if self.auroc is not None and self.auroc_pytorch is not None:
            yield f"test split: {_change(self.auroc_pytorch, self.auroc)}"
            yield f"largest change of a score: {self.largest:.1e} of the mean score"
        elif self.synthetic:
            yield "no test split with labels: only synthetic anomalies were compared"
        elif self.precision == "int8":
            yield "no test split with labels and no synthetic anomalies: no AUROC was compared"

    def entry(self) -> dict[str, object]:
        """Return the values of this report for the card of the export (`model.json`)."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def _change(before: float, after: float) -> str:
    change = 100 * (after - before)
    return f"AUROC {after:.4f}, PyTorch {before:.4f}: {change:+.2f} points"


def export(detector: Detector, files: ModelFiles, options: ExportOptions) -> ExportReport:
    """Export a model into a folder, and compare the scores of the export with PyTorch.

    The folder gets the graph of the model, its card (`model.json`) and its background templates.

    Args:
        detector: The model, loaded for the CPU with `fast=False`.
        files: Its files.
        options: The format, the precision and the folders.

    Raises:
        DmadError: The scores differ from PyTorch by more than `LARGEST_DIFFERENCE`; int8 finds
            fewer anomalies than PyTorch; there are no frames to compare; `out` contains other
            files; a package is missing; the model is already an export; another process exports
            into `out`.
    """
    require(
        isinstance(detector.backend, TorchBackend),
        f"{files.weights.parent} is already an export; give the run that it was made from",
    )
    out = options.out or usual_folder(files) / f"{options.format}-{options.precision}"
    with locked(out.parent, f".{out.name}.lock"), errors_that_name(out.parent):
        finish_export(out)
        check_folder(out)
        return _export(detector, files, options, out)


def _export(
    detector: Detector, files: ModelFiles, options: ExportOptions, out: Path
) -> ExportReport:
    """Export into the folder `out`, which `export` has locked and checked; compare the scores."""
    backend = detector.backend
    assert isinstance(backend, TorchBackend)
    data = with_locations(detector.config.data, options.root, options.cache)
    normal, generated = compared_clips(detector, data, options.precision)
    abnormal = abnormal_windows(detector, normal) if options.precision == "int8" else None
    windows = [normal_windows(normal, data.history), *([abnormal] if abnormal else [])]
    inputs = [one for each in windows for one in graph_inputs(detector, each)]
    with unfinished_folder(out.parent) as folder, missing_packages():
        write_graph(backend, options.format, options.precision, folder, inputs)
        card = write_card(files, backend, options, folder)
        exported = load_detector(find_model(folder), detector.form)
        terms = compare_terms(detector, exported, normal)
        report = ExportReport(
            out, options.format, options.precision, terms.largest, terms.frames, generated=generated
        )
        check_difference(report)
        if abnormal:
            some = normal_windows(normal, data.history, COMPARED)
            change = compare_synthetic(detector, exported, some, abnormal)
            report = check_synthetic(report, change, options.auroc_loss)
        if options.precision == "int8":
            report = check_ranking(report, detector, exported, data, options.auroc_loss)
        entry = report.entry() | {"sha256": hashes(folder)}
        (folder / CARD).write_text(json.dumps(card | {"export": entry}, indent=1))
        replace_export(folder, out)
    return report


def usual_folder(files: ModelFiles) -> Path:
    """Return the folder for exports: RUN/export, or export/NAME if the model is not in a run."""
    if files.weights.name == "model.safetensors":
        return files.weights.parent / "export"
    return Path("export") / files.weights.stem


def compared_clips(
    detector: Detector, data: DataConfig, precision: Precision
) -> tuple[Footage, bool]:
    """Return the clips that an export is compared on, and whether they are generated.

    Raises:
        DmadError: The data set cannot be read. Or there is no data set, and the precision is int8,
            which needs real frames.
    """
    try:
        return normal_clips(data), False
    except DmadError:
        if data.root or precision == "int8":
            raise
    logger.warning(
        "no data set is given, so generated frames are compared; with --data.root DIR, held-out "
        "normal frames are compared"
    )
    return generated_clip(data, detector.scenes[0]), True


def normal_clips(data: DataConfig) -> Footage:
    """Return the clips that were held out from training, or else mirrored training clips.

    The training clips are mirrored because a model may have memorised them. Then their scores would
    be almost zero.
    """
    try:
        return load_split(data, "held_out").footage
    except DmadError:
        footage = load_split(data, "train").footage
        logger.warning(
            "no normal data is held out, so mirror images of the training data are compared"
        )
        return replace(footage, frames=footage.frames[:, :, ::-1])


def abnormal_windows(detector: Detector, normal: Footage) -> Sequences | None:
    """Return windows of frames with synthetic anomalies.

    If no anomalies can be made, log a warning and return None.
    """
    try:
        return detector.form.synthetic_anomalies(detector.config, normal)
    except DmadError as error:
        logger.warning("int8 is not checked with synthetic anomalies: %s", error)
        return None


@contextmanager
def missing_packages() -> Iterator[None]:
    """In a `with` block, turn an ImportError into a `DmadError` that says what to install."""
    try:
        yield
    except ImportError as error:
        message = f"export needs {error.name}; pip install 'dmad[export]'"
        raise DmadError(message) from error


def write_graph(
    backend: TorchBackend,
    format: Format,
    precision: Precision,
    folder: Path,
    inputs: Sequence[dict[str, np.ndarray]],
) -> None:
    """Write the graph of a model as `model.onnx` or `model.xml`, without card and templates.

    Args:
        backend: The PyTorch model, on the CPU and with `fast=False`.
        format: Runtime for which the graph is written.
        precision: The graphs for fp32 and bf16 are the same. For bf16, the runtime computes in
            bf16.
        folder: Folder to write to.
        inputs: Real inputs of the graph. int8 takes its value ranges from them.
    """
    import onnx

    file = folder / "model.onnx"
    _write_onnx(backend, file)
    if format == "onnx":
        if precision == "int8":
            onnx.save(quantise(onnx.load(file), inputs), file)
        return
    openvino = import_runtime("openvino")
    graph = openvino.Core().read_model(file)
    if precision == "int8":
        graph = quantise(graph, inputs)
    openvino.save_model(graph, folder / "model.xml", compress_to_fp16=False)
    file.unlink()


def _write_onnx(backend: TorchBackend, file: Path) -> None:
    inputs = example_inputs(backend.config, backend.templates is not None)
    graph = Graph(backend.model, backend.config, backend.form).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns about every constant
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            str(file),
            input_names=list(inputs),
            output_names=list(graph.outputs(**inputs)),
            opset_version=17,
            dynamo=False,
        )


def write_card(
    files: ModelFiles, backend: TorchBackend, options: ExportOptions, folder: Path
) -> dict[str, object]:
    """Write the card (`model.json`) and the background templates; return the card."""
    if backend.templates is not None:
        np.save(folder / TEMPLATES, backend.templates)
    card = without_local_paths(read_card(files))
    card["export"] = {"format": options.format, "precision": options.precision}
    (folder / CARD).write_text(json.dumps(card))
    return card


def check_difference(report: ExportReport) -> None:
    """Check that the terms of an export differ little from those of PyTorch.

    For int8, `check_synthetic` and `check_ranking` decide instead.

    Raises:
        DmadError: The difference is larger than `LARGEST_DIFFERENCE`.
    """
    limit = LARGEST_DIFFERENCE.get(report.precision, np.inf)
    advice = "another --format" if report.precision == "fp32" else "--precision fp32"
    require(
        report.difference <= limit,
        f"the {report.format} {report.precision} export differs from PyTorch by "
        f"{report.difference:.1e} of a term's mean, more than {limit:g}; nothing was written, try "
        f"{advice}",
    )


def check_synthetic(report: ExportReport, change: SyntheticChange, loss: float) -> ExportReport:
    """Check that int8 finds synthetic anomalies almost as well as PyTorch.

    Returns:
        The report with this comparison.

    Raises:
        DmadError: The AUROC falls by more than `loss`, and by more than `CHANCE_PAIRS` divided by
            the number of pairs (a normal window and an anomaly). Or the mean score of the anomalies
            in int8 is below `LEAST_KEPT` times their mean score in PyTorch.
    """
    before, after = change.auroc_pytorch, change.auroc
    loss = max(loss, CHANCE_PAIRS / change.pairs)
    fallen = f"{100 * (before - after):.2f} points ({before:.4f} to {after:.4f})"
    require(
        after >= before - loss,
        f"int8 lowers the AUROC of synthetic anomalies by {fallen}, more than {100 * loss:.3g}; "
        "nothing was written, try --precision fp32",
    )
    require(
        change.kept >= LEAST_KEPT,
        f"int8 keeps {change.kept:.0%} of the score of synthetic anomalies, less than "
        f"{LEAST_KEPT:.0%}; nothing was written, try --precision fp32",
    )
    return replace(report, synthetic=change)


def check_ranking(
    report: ExportReport, detector: Detector, exported: Detector, data: DataConfig, loss: float
) -> ExportReport:
    """Check the AUROC of int8 on the test split, and return the report with this comparison.

    Without labels, the report is returned unchanged.

    Raises:
        DmadError: The AUROC falls by more than `loss`.
    """
    change = compare_ranking(detector, exported, data)
    if change is None:
        return report
    before, after = change.auroc_pytorch, change.auroc
    require(
        after >= before - loss,
        f"int8 lowers AUROC by {100 * (before - after):.2f} points ({before:.4f} to {after:.4f}), "
        f"more than {100 * loss:g}; nothing was written, try --precision fp32",
    )
    return replace(report, auroc=after, auroc_pytorch=before, largest=change.largest_change)
