"""Imports the runtimes of exported models so that they send no reports of their use.

OpenVINO and NNCF report to an analytics server through the package `openvino_telemetry`. Without
this package, they send nothing. So its import is made to fail while OpenVINO or NNCF is imported.
ONNX Runtime has an environment variable that stops its reports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

ALLOW = "DMAD_TELEMETRY"  # the environment variable with which a user allows reports
REPORTER = "openvino_telemetry"


def import_runtime(name: str) -> Any:
    """Import a package, and return it.

    It sends reports only if the environment variable `DMAD_TELEMETRY` is 1.

    Args:
        name: openvino, nncf or onnxruntime.

    Raises:
        ImportError: The package is missing.
    """
    if os.environ.get(ALLOW) == "1":
        return import_module(name)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime reads it during its import
    with _without_reporter():
        return import_module(name)


@contextmanager
def _without_reporter() -> Iterator[None]:
    """In a `with` block, let every import of the package `openvino_telemetry` fail.

    If this process has already imported the package, nothing changes.
    """
    if REPORTER in sys.modules:
        yield
        return
    sys.modules[REPORTER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[REPORTER]
