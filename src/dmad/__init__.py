"""Diversity-Measurable Anomaly Detection: a prototype of the normal, and how far it must be bent.

`dmad.recipe`, `train`, `calibrate`, `load`, `evaluate` and `Detector` are loaded when first used,
so that `import dmad` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmad.errors import DmadError

if TYPE_CHECKING:
    from dmad.forms.video.evaluation import evaluate
    from dmad.inference.detector import Detector
    from dmad.inference.loading import load
    from dmad.inference.result import AnomalyResult
    from dmad.recipes import recipe
    from dmad.thresholds import calibrate
    from dmad.training.train import train

__version__ = "0.1.0"
__all__ = [
    "AnomalyResult", "Detector", "DmadError", "calibrate", "evaluate", "load", "recipe", "train"
]  # fmt: skip

_HOMES = {
    "AnomalyResult": "dmad.inference.result",
    "Detector": "dmad.inference.detector",
    "load": "dmad.inference.loading",
    "recipe": "dmad.recipes",
    "train": "dmad.training.train",
    "calibrate": "dmad.thresholds",
    "evaluate": "dmad.forms.video.evaluation",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'dmad' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
