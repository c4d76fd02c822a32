"""`dmad export`: a trained model as ONNX or OpenVINO, refused unless it says what PyTorch says."""

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
from numpy.typing import NDArray

from dmad.config import Config, DataConfig
from dmad.data.footage import Footage
from dmad.data.splits import LabelledFootage, load_split, lying
from dmad.errors import DmadError, require
from dmad.evaluation.metrics import micro_auroc
from dmad.export.graph import Graph, example, outputs
from dmad.export.quantise import inputs_of, quantised
from dmad.files import make_folder
from dmad.inference import runtime
from dmad.inference.detector import Detector, load
from dmad.inference.result import AnomalyResult
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM
from dmad.runs import GRAPHS, find_model, is_exported, portable, read_card

logger = logging.getLogger(__name__)

Format = Literal["onnx", "openvino"]

Precision = Literal["fp32", "bf16", "int8"]

NEAR = {"fp32": 1e-3, "bf16": 2e-2}  # largest difference of a term, as a share of its mean

LOSS = 0.005  # of AUROC that int8 may cost

COMPARED = 32  # frames

PARTS = (*GRAPHS.values(), "model.bin", runtime.BACKGROUND)

TERMS = "model.npz"  # beside a card: of the footage that its threshold was set on


@dataclass(frozen=True)
class Export:
    """What was written, and how far it is from PyTorch."""

    folder: Path
    format: Format
    precision: Precision
    difference: float  # largest of a term on real normal frames, as a share of the term's mean
    frames: int  # compared
    auroc: float | None = None  # of int8, where the test split has labels
    auroc_pytorch: float | None = None
    largest: float | None = None  # change of a score on the test split, as a share of their mean

    def lines(self) -> Iterator[str]:
        """What a person wants to know."""
        yield f"largest difference from PyTorch {self.difference:.1e} on {self.frames} frames"
        if self.auroc is not None and self.auroc_pytorch is not None:
            change = 100 * (self.auroc - self.auroc_pytorch)
            yield f"AUROC {self.auroc:.4f}, PyTorch {self.auroc_pytorch:.4f}: {change:+.2f} points"
            yield f"largest change of a score {self.largest:.1e} of their mean"
        elif self.precision == "int8":
            yield "no labelled test split: what int8 costs in AUROC is not known"


def export(
    run: str | Path,
    form: Format,
    precision: Precision = "fp32",
    out: Path | None = None,
    root: Path | None = None,
    cache: Path | None = None,
) -> Export:
    """Write a model's graph, card and templates into a folder, and compare it with PyTorch.

    Args:
        run: Run folder, `.safetensors` file or name of a shipped model.
        form: For ONNX Runtime or OpenVINO.
        precision: Of the computation; int8 takes its ranges from normal clips held out.
        out: Where to write; `RUN/export/FORMAT-PRECISION` where None.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The export differs from PyTorch by more than `NEAR`, or costs more AUROC than
            `LOSS`; no frames to compare with; `out` is a run; a package is missing.
    """
    require(
        (form, precision) != ("onnx", "bf16"),
        "ONNX Runtime has no bf16 on CPUs; give --format openvino or --precision fp32",
    )
    require(not is_exported(run), f"{run} is an export itself; give the run it came from")
    detector = load(run, fast=False, device="cpu")
    data = lying(detector.config.data, root, cache)
    out = out or usual_place(Path(run)) / f"{form}-{precision}"
    weights = out / "model.safetensors"
    require(not weights.exists(), f"{weights} has a card beside it already; give another --out DIR")
    others = ", ".join(foreign(out))
    require(not others, f"{out} holds {others} of something else; give another --out DIR")
    make_folder(out.parent)
    normal = normal_clips(data)
    with TemporaryDirectory(dir=out.parent) as beside, missing_packages():
        written = write(run, detector, form, precision, Path(beside), normal)
        ready = runtime.load(beside)
        found = Export(out, form, precision, *compare(detector, ready, normal))
        limit = NEAR.get(precision, np.inf)
        require(
            found.difference <= limit,
            f"the {form} {precision} export differs from PyTorch by {found.difference:.1e} of a "
            f"term's mean, more than {limit:g}; nothing was written, try --precision fp32",
        )
        if precision == "int8":
            found = check_ranking(found, detector, ready, data)
        note = {"format": form, "precision": precision} | {
            name: value for name, value in asdict(found).items() if name != "folder"
        }
        (Path(beside) / runtime.CARD).write_text(json.dumps(written | {"export": note}, indent=1))
        put(Path(beside), out)
    return found


def foreign(out: Path) -> list[str]:
    """Files of a folder that are called as an export's and are none's."""
    there = [name for name in (*PARTS, runtime.CARD, TERMS) if (out / name).exists()]
    try:
        ours = "export" in json.loads((out / runtime.CARD).read_text())
    except (OSError, ValueError, TypeError):
        ours = False
    return [] if ours else there


def put(export: Path, out: Path) -> None:
    """Move an export's files to their folder, in place of another's that lie there."""
    make_folder(out)
    for old in (*PARTS, TERMS):
        (out / old).unlink(missing_ok=True)
    for file in export.iterdir():
        shutil.move(file, out / file.name)


def usual_place(run: Path) -> Path:
    """Within a run's folder; here for a model that is none."""
    return run / "export" if run.is_dir() else Path("export") / run.name


def normal_clips(data: DataConfig) -> Footage:
    """What the training held out; what it saw where that was nothing."""
    try:
        return load_split(data, "held_out").footage
    except DmadError as error:
        footage = load_split(data, "train").footage
        logger.warning(f"compared on training clips instead: {error}")
        return footage


@contextmanager
def missing_packages() -> Iterator[None]:
    """Say in one line what to install."""
    try:
        yield
    except ImportError as error:
        told = f"export needs {error.name}; pip install '.[export]' in dmad's folder"
        raise DmadError(told) from error


def write(
    run: str | Path,
    detector: Detector,
    form: Format,
    precision: Precision,
    folder: Path,
    normal: Footage,
) -> dict[str, object]:
    """Graph, card and templates into a folder; the card."""
    build(detector.model, detector.config, form, precision, folder, inputs_of(detector, normal))
    if detector.model.background is not None:
        np.save(folder / runtime.BACKGROUND, detector.model.background.detach().numpy())
    card = portable(read_card(find_model(run)))
    card["export"] = {"format": form, "precision": precision}
    (folder / runtime.CARD).write_text(json.dumps(card))
    return card


def build(
    model: PDM | PPDM,
    config: Config,
    form: Format,
    precision: Precision,
    folder: Path,
    inputs: Sequence[dict[str, np.ndarray]],
) -> None:
    """The graph alone, `model.onnx` or `model.xml`.

    Args:
        model: The network.
        config: Its settings.
        form: For which runtime.
        precision: bf16 is the same graph as fp32, computed otherwise.
        folder: Where to write.
        inputs: Real ones, which set the ranges of int8.
    """
    import onnx

    shown = example(config, model.background is not None)
    file, names = folder / "model.onnx", ["frames", "background"][: len(shown)]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing tells of every constant
        graph = Graph(model, config).eval()
        torch.onnx.export(
            graph,
            shown,
            str(file),
            input_names=names,
            output_names=outputs(config),
            opset_version=17,
            dynamo=False,
        )
    if form == "onnx":
        if precision == "int8":
            onnx.save(quantised(onnx.load(file), inputs), file)
        return
    import openvino

    ready = openvino.Core().read_model(file)
    if precision == "int8":
        ready = quantised(ready, inputs)
    openvino.save_model(ready, folder / "model.xml", compress_to_fp16=False)
    file.unlink()


def compare(detector: Detector, ready: runtime.Runtime, normal: Footage) -> tuple[float, int]:
    """Largest difference of a term as a share of its mean, and frames compared."""
    differences, count, history = [], 0, detector.config.data.history
    for clip in normal.clips[:COMPARED]:
        frames = normal.frames[clip.span][: history + max(1, COMPARED // len(normal.clips))]
        pairs = zip(columns(detector(frames, clip.scene)), columns(ready(frames, clip.scene)),
                    strict=True)  # fmt: skip
        for ours, theirs in pairs:
            scale = np.abs(ours[history:]).mean() + 1e-9
            differences.append(np.abs(theirs - ours)[history:].max(initial=0.0) / scale)
        count += len(frames) - history
    require(count > 0, "no frames to compare with; give normal clips with --data.root DIR")
    return float(max(differences)), count


def columns(result: AnomalyResult) -> list[NDArray[np.float64]]:
    """Score, its terms and the released ones."""
    return [result.score, result.reconstruction, result.deformation, *result.released.values()]


def ranked(judge: Detector | runtime.Runtime, footage: Footage) -> NDArray[np.float64]:
    """Eq. 14 of each frame, or Eq. 22 of each image, whose tiles count by their highest terms."""
    found = [judge(footage.frames[clip.span], clip.scene) for clip in footage.clips]
    if not judge.config.model.teacher:
        return np.concatenate([one.score for one in found])
    alpha = judge.config.score.alpha
    return np.array([one.reconstruction.max() + alpha * one.deformation.max() for one in found])


def check_ranking(
    found: Export, detector: Detector, ready: runtime.Runtime, data: DataConfig
) -> Export:
    """What int8 does to the AUROC of the test split, where it has labels.

    Raises:
        DmadError: It falls by more than `LOSS`.
    """
    try:
        test: LabelledFootage = load_split(data, "test")
    except DmadError:
        return found
    if test.labels is None or len(np.unique(test.labels)) < 2:
        return found
    ours, theirs = (ranked(judge, test.footage) for judge in (detector, ready))
    seen = np.isfinite(ours)
    before, after = (micro_auroc(s[seen], test.labels[seen]) for s in (ours, theirs))
    largest = float(np.abs(theirs - ours)[seen].max() / np.abs(ours[seen]).mean())
    require(
        after >= before - LOSS,
        f"int8 costs {100 * (before - after):.2f} points of AUROC ({before:.4f} to {after:.4f}), "
        f"more than {100 * LOSS:g}; nothing was written, try --precision bf16",
    )
    return replace(found, auroc=after, auroc_pytorch=before, largest=largest)
