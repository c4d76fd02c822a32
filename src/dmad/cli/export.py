"""`dmad export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dmad.cli.options import AS_IN_TRAINING, DataFolders
from dmad.cli.process import show


def export_command(
    run: str,
    *,
    format: Literal["onnx", "openvino"],
    precision: Literal["fp32", "bf16", "int8"] = "fp32",
    out: Path | None = None,
    data: DataFolders = AS_IN_TRAINING,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO, to use without PyTorch.

    The export includes the pre-processing, the deformation and the threshold. Its scores
    are compared with those of PyTorch. If they differ too much, nothing is written. The
    command prints the path of the folder.

    Example: dmad export RUN --format openvino --precision int8

    Args:
        run: Run folder of `dmad train`, .safetensors file, or name of a model that comes with dmad,
            such as ped2.
        format: Runtime for which the model is written.
        precision: Precision of the computation. bf16 is for openvino only. int8 needs the data
            set.
        out: Folder to write to (default: RUN/export/FORMAT-PRECISION).
        data: Where the data set is.
    """
    from dmad import api
    from dmad.export.export import ExportOptions, export
    from dmad.runs import find_model

    options = ExportOptions(format, precision, out, data.root, data.cache)
    report = export(api.load(run, device="cpu", fast=False), find_model(run), options)
    show("\n".join([*report.lines(), str(report.folder)]))
