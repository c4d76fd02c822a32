"""`dmad export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dmad.cli.options import AS_IN_TRAINING, DataFolders


def export_command(
    run: str,
    *,
    format: Literal["onnx", "openvino"],
    precision: Literal["fp32", "bf16", "int8"] = "fp32",
    out: Path | None = None,
    data: DataFolders = AS_IN_TRAINING,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO, to use without PyTorch.

    Pre-processing, the deformation and the threshold are included. The export is compared
    with PyTorch on normal clips, and refused if its scores differ. The folder is printed.

    Example: dmad export RUN --format openvino --precision int8

    Args:
        run: Run folder, .safetensors file or shipped model.
        format: The program that will run it.
        precision: Numbers it computes with. int8 is measured on normal clips that were held out.
        out: Folder to write to (default: RUN/export/FORMAT-PRECISION).
        data: Where the data set is.
    """
    from dmad import api
    from dmad.export.export import ExportOptions, export
    from dmad.runs import find_model

    options = ExportOptions(format, precision, out, data.root, data.cache)
    report = export(api.load(run, device="cpu", fast=False), find_model(run), options)
    print("\n".join([*report.lines(), str(report.folder)]))
