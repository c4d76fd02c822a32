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
    """Export a model to ONNX Runtime or OpenVINO, so that it runs without PyTorch.

    The command compares the scores of the exported model with those of PyTorch. If they
    differ too much, it writes nothing. Otherwise it writes a folder, and prints its path.
    The folder also contains the threshold. After an export with int8, set the threshold
    again with `dmad calibrate`, because int8 changes the scores a little.

    `dmad watch`, `serve`, `predict`, `scan`, `calibrate` and `evaluate` accept the folder
    instead of a run folder. `calibrate` and `evaluate` need PyTorch, the others do not.

    Example: dmad export RUN --format openvino --precision int8

    Args:
        run: Run folder of `dmad train`, .safetensors file, or name of a model that comes with dmad,
            such as ped2.
        format: Program that will run the model: ONNX Runtime or OpenVINO.
        precision: Kind of numbers for the computation: floating-point numbers of 32 bits (fp32) or
            16 bits (bf16), or whole numbers of 8 bits (int8). bf16 works only with openvino. int8
            needs the data set.
        out: Folder to write to (default: RUN/export/FORMAT-PRECISION).
        data: Where the data set is.
    """
    from dmad import api
    from dmad.export.export import ExportOptions, export
    from dmad.runs import find_model

    options = ExportOptions(format, precision, out, data.root, data.cache)
    report = export(api.load(run, device="cpu", fast=False), find_model(run), options)
    show("\n".join([*report.lines(), str(report.folder)]))
