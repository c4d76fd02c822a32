"""Diversity-Measurable Anomaly Detection (DMAD): find anomalies in video and images.

A model reconstructs a prototype of normal data. It measures how far it must deform the prototype
to match the input.

The names below are imported when they are first used, so that `import dmad` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dmad.errors import DmadError

if TYPE_CHECKING:
    from dmad.api import calibrate, evaluate, load, train
    from dmad.calibration.request import CalibrationRequest
    from dmad.inference.detector import Detector
    from dmad.inference.result import AnomalyResult
    from dmad.recipes import recipe

__version__ = "0.1.0"
__all__ = [
    "AnomalyResult",
    "CalibrationRequest",
    "Detector",
    "DmadError",
    "calibrate",
    "evaluate",
    "load",
    "recipe",
    "train",
]

_MODULES = {
    "AnomalyResult": "dmad.inference.result",
    "CalibrationRequest": "dmad.calibration.request",
    "Detector": "dmad.inference.detector",
    "calibrate": "dmad.api",
    "evaluate": "dmad.api",
    "load": "dmad.api",
    "recipe": "dmad.recipes",
    "train": "dmad.api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'dmad' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
