from pathlib import Path

import pytest

from dmad.api import load
from dmad.runs import find_model

PACKAGES = ("onnx", "onnxruntime", "openvino")


@pytest.fixture(scope="session")
def export_run():
    """Exports a run, with the fields of `ExportOptions`; skips without the packages."""
    for package in PACKAGES:
        pytest.importorskip(package, reason="needs pip install 'dmad[export]'")
    from dmad.export.export import ExportOptions, export

    def export_one(run: Path, format: str, precision: str = "fp32", **options):
        detector = load(run, fast=False, device="cpu")
        return export(detector, find_model(run), ExportOptions(format, precision, **options))

    return export_one


@pytest.fixture(scope="session")
def exported(trained, export_run, tmp_path_factory) -> dict[str, Path]:
    """The folder of an export in each format."""
    out = tmp_path_factory.mktemp("exports")
    formats = ("onnx", "openvino")
    return {name: export_run(trained, name, out=out / name).folder for name in formats}
