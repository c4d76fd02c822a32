from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exported(trained, export_run, tmp_path_factory) -> dict[str, Path]:
    """The folder of an export in each format."""
    out = tmp_path_factory.mktemp("exports")
    formats = ("onnx", "openvino")
    return {name: export_run(trained, name, out=out / name).folder for name in formats}
