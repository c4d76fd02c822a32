"""Load a detector: from weights for PyTorch, or from an exported graph, which needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dmad.calibration.calibration import Calibration
from dmad.config import Config, config_of_card
from dmad.errors import DmadError
from dmad.inference.backend import Backend
from dmad.inference.detector import Detector
from dmad.runs import GRAPH_FILES, ModelFiles, read_card, read_weights

if TYPE_CHECKING:
    from torch import nn

    from dmad.form import Form

TEMPLATES = "background.npy"  # file beside an exported graph


def load_detector(
    files: ModelFiles,
    form: Form[Any, Any],
    *,
    device: str | None = None,
    fast: bool = True,
    threads: int = 0,
) -> Detector:
    """Load a trained or an exported model.

    Args:
        files: Its files.
        form: The form that its settings belong to.
        device: Where PyTorch computes, such as "cpu" or "cuda". None: a GPU if there is one.
        fast: Optimise the network for speed, and use 16 bit if this makes the device faster.
        threads: Number of processor cores that an exported model uses. 0: all.

    Raises:
        DmadError: The files are damaged or do not fit each other, or a package is missing.
    """
    card = read_card(files)
    config, scenes = config_of_card(card), card["scenes"]
    backend: Backend
    if files.weights.name in GRAPH_FILES.values():
        backend = _exported_backend(files, card, threads)
    else:
        from dmad.inference.torch_backend import TorchBackend

        model = _load_network(files, form, config, len(scenes))
        backend = TorchBackend(model, config, form, device, fast)
    calibration = card.get("calibration")
    return Detector(
        backend,
        config,
        form,
        scenes=scenes,
        calibration=Calibration.from_dict(calibration) if calibration else None,
        levels=card.get("levels"),
    )


def _exported_backend(files: ModelFiles, card: dict[str, Any], threads: int) -> Backend:
    from dmad.inference.exported_backend import ExportedBackend, load_graph

    precision = card.get("export", {}).get("precision", "fp32")
    graph = load_graph(files.weights, precision, threads)
    path = files.weights.with_name(TEMPLATES)
    templates = np.load(path, allow_pickle=False) if path.is_file() else None
    return ExportedBackend(graph, templates)


def _load_network(
    files: ModelFiles, form: Form[Any, Any], config: Config, scenes: int
) -> nn.Module:
    """The network of a saved model, with its weights."""
    model: nn.Module = form.network(config, scenes)
    try:
        model.load_state_dict(read_weights(files))
    except RuntimeError as error:
        raise DmadError(
            f"{files.weights} does not belong to {files.card.name} beside it; put the right files "
            "together, or train again if they come from an earlier version of dmad"
        ) from error
    return model
