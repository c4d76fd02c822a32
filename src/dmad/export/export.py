"""`dmad export`: a model as ONNX or OpenVINO, refused if its scores differ from PyTorch's."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch

from dmad.config import DataConfig
from dmad.data.footage import Footage
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.errors import DmadError, require
from dmad.export.compare import compare_ranking, compare_terms
from dmad.export.graph import Graph, example_inputs
from dmad.export.quantise import quantise, sample_inputs
from dmad.files import make_folder
from dmad.inference.detector import Detector
from dmad.inference.loading import TEMPLATES, load_detector
from dmad.inference.torch_backend import TorchBackend
from dmad.runs import GRAPH_FILES, ModelFiles, find_model, read_card, without_local_paths

logger = logging.getLogger(__name__)

Format = Literal["onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]

LARGEST_DIFFERENCE = {"fp32": 1e-3, "bf16": 2e-2}  # of a term, as a share of its mean
CARD = "model.json"
HELD_OUT_TERMS = "model.npz"  # beside a card: of the footage that its threshold was set on
WRITTEN = (*GRAPH_FILES.values(), "model.bin", TEMPLATES)


@dataclass(frozen=True)
class ExportOptions:
    """What to write, and where the data to compare with is.

    Args:
        format: For ONNX Runtime or OpenVINO.
        precision: Numbers it computes with. int8 takes its ranges from normal clips held out.
        out: Folder to write to. None: `RUN/export/FORMAT-PRECISION`.
        root: Folder of the data set. None: where it was in training.
        cache: Folder for decoded frames.
        auroc_loss: AUROC that int8 may cost.
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
    """What was written, and how far it is from PyTorch."""

    folder: Path
    format: Format
    precision: Precision
    difference: float  # largest of a term on normal frames, as a share of the term's mean
    frames: int  # compared
    auroc: float | None = None  # of int8, if the test split has labels
    auroc_pytorch: float | None = None
    largest: float | None = None  # change of a score on the test split, as a share of their mean

    def lines(self) -> Iterator[str]:
        """Yield the comparison as text."""
        yield f"largest difference from PyTorch {self.difference:.1e} on {self.frames} frames"
        if self.auroc is not None and self.auroc_pytorch is not None:
            change = 100 * (self.auroc - self.auroc_pytorch)
            yield f"AUROC {self.auroc:.4f}, PyTorch {self.auroc_pytorch:.4f}: {change:+.2f} points"
            yield f"largest change of a score {self.largest:.1e} of their mean"
        elif self.precision == "int8":
            yield "no labelled test split: what int8 costs in AUROC is not known"

    def entry(self) -> dict[str, object]:
        """Return what the card of the export keeps."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def export(detector: Detector, files: ModelFiles, options: ExportOptions) -> ExportReport:
    """Write a model's graph, card and templates into a folder, and compare them with PyTorch.

    Args:
        detector: The model, loaded for the CPU with `fast=False`.
        files: Its files.
        options: What to write.

    Raises:
        DmadError: The export differs from PyTorch by more than `LARGEST_DIFFERENCE`, or costs too
            much AUROC; there are no frames to compare; `out` holds other files; a package is
            missing; the model is an export itself.
    """
    backend = detector.backend
    require(
        isinstance(backend, TorchBackend),
        f"{files.weights.parent} is an export itself; give the run it came from",
    )
    assert isinstance(backend, TorchBackend)
    data = with_locations(detector.config.data, options.root, options.cache)
    out = options.out or usual_folder(files) / f"{options.format}-{options.precision}"
    check_folder(out)
    make_folder(out.parent)
    normal = normal_clips(data)
    with TemporaryDirectory(dir=out.parent) as name, missing_packages():
        folder = Path(name)
        write_graph(
            backend, options.format, options.precision, folder, sample_inputs(detector, normal)
        )
        card = write_card(files, backend, options, folder)
        exported = load_detector(find_model(folder), detector.form)
        report = ExportReport(
            out, options.format, options.precision, *compare_terms(detector, exported, normal)
        )
        check_difference(report)
        if options.precision == "int8":
            report = check_ranking(report, detector, exported, data, options.auroc_loss)
        (folder / CARD).write_text(json.dumps(card | {"export": report.entry()}, indent=1))
        move_files(folder, out)
    return report


def usual_folder(files: ModelFiles) -> Path:
    """Return `export` in the run folder; for other models, a folder of their name."""
    if files.weights.name == "model.safetensors":
        return files.weights.parent / "export"
    return Path("export") / files.weights.stem


def check_folder(out: Path) -> None:
    """Check that an export may be written into a folder.

    Raises:
        DmadError: It holds a trained model, or files of another program.
    """
    weights = out / "model.safetensors"
    require(not weights.exists(), f"{weights} has a card beside it already; give another --out DIR")
    try:
        is_export = "export" in json.loads((out / CARD).read_text())
    except (OSError, ValueError, TypeError):
        is_export = False
    others = [name for name in (*WRITTEN, CARD, HELD_OUT_TERMS) if (out / name).exists()]
    require(
        is_export or not others,
        f"{out} holds {', '.join(others)} of something else; give another --out DIR",
    )


def normal_clips(data: DataConfig) -> Footage:
    """Return the clips held out of training; the training clips if there are none."""
    try:
        return load_split(data, "held_out").footage
    except DmadError as error:
        footage = load_split(data, "train").footage
        logger.warning("compared on training clips instead: %s", error)
        return footage


@contextmanager
def missing_packages() -> Iterator[None]:
    """Turn the ImportError of a package into a `DmadError` that says how to install it."""
    try:
        yield
    except ImportError as error:
        message = f"export needs {error.name}; pip install '.[export]' in dmad's folder"
        raise DmadError(message) from error


def write_graph(
    backend: TorchBackend,
    format: Format,
    precision: Precision,
    folder: Path,
    inputs: Sequence[dict[str, np.ndarray]],
) -> None:
    """Write the graph alone, as `model.onnx` or `model.xml`.

    Args:
        backend: The network, on the CPU and with `fast=False`.
        format: For which program.
        precision: bf16 is the same graph as fp32, computed in another precision.
        folder: Where to write.
        inputs: Real inputs, which set the ranges of int8.
    """
    import onnx

    file = folder / "model.onnx"
    _write_onnx(backend, file)
    if format == "onnx":
        if precision == "int8":
            onnx.save(quantise(onnx.load(file), inputs), file)
        return
    import openvino

    graph = openvino.Core().read_model(file)
    if precision == "int8":
        graph = quantise(graph, inputs)
    openvino.save_model(graph, folder / "model.xml", compress_to_fp16=False)
    file.unlink()


def _write_onnx(backend: TorchBackend, file: Path) -> None:
    inputs = example_inputs(backend.config, backend.templates is not None)
    graph = Graph(backend.model, backend.config, backend.form).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every constant
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
    """Write card and templates into a folder; return the card."""
    if backend.templates is not None:
        np.save(folder / TEMPLATES, backend.templates)
    card = without_local_paths(read_card(files))
    card["export"] = {"format": options.format, "precision": options.precision}
    (folder / CARD).write_text(json.dumps(card))
    return card


def check_difference(report: ExportReport) -> None:
    """Check that an export computes what PyTorch computes; of int8 its ranking counts instead.

    Raises:
        DmadError: It does not.
    """
    limit = LARGEST_DIFFERENCE.get(report.precision, np.inf)
    require(
        report.difference <= limit,
        f"the {report.format} {report.precision} export differs from PyTorch by "
        f"{report.difference:.1e} of a term's mean, more than {limit:g}; nothing was written, try "
        "--precision fp32",
    )


def check_ranking(
    report: ExportReport, detector: Detector, exported: Detector, data: DataConfig, loss: float
) -> ExportReport:
    """Add to a report what int8 does to the AUROC of the test split, if it has labels.

    Raises:
        DmadError: The AUROC falls by more than `loss`.
    """
    change = compare_ranking(detector, exported, data)
    if change is None:
        return report
    before, after = change.auroc_pytorch, change.auroc
    require(
        after >= before - loss,
        f"int8 costs {100 * (before - after):.2f} points of AUROC ({before:.4f} to {after:.4f}), "
        f"more than {100 * loss:g}; nothing was written, try --precision bf16",
    )
    return replace(report, auroc=after, auroc_pytorch=before, largest=change.largest_change)


def move_files(folder: Path, out: Path) -> None:
    """Move the files of an export to `out`, in place of those of an earlier export."""
    make_folder(out)
    for old in (*WRITTEN, HELD_OUT_TERMS):
        (out / old).unlink(missing_ok=True)
    for file in folder.iterdir():
        shutil.move(file, out / file.name)
