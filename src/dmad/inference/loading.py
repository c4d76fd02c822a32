"""Load a detector: from weights for PyTorch, or from an exported graph, which needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dmad.calibration.calibration import Calibration
from dmad.checked_files import read_npy
from dmad.config import Config, DataConfig, config_of_card
from dmad.errors import DmadError, require
from dmad.files import sha256_of
from dmad.inference.backend import Backend
from dmad.inference.detector import Detector
from dmad.runs import GRAPH_FILES, TEMPLATES, ModelFiles, read_card, read_weights
from dmad.typed import typed

if TYPE_CHECKING:
    from torch import nn

    from dmad.form import Form


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
        files: The files of the model.
        form: The form of the model.
        device: Where PyTorch computes, such as "cpu" or "cuda". None: a GPU if there is one.
        fast: Optimise the network for speed. Devices that are faster with 16-bit numbers use them.
        threads: Number of processor cores that an exported model uses. 0: all.

    Raises:
        DmadError: The files are damaged or do not fit each other, or a package is missing.
    """
    card = read_card(files)
    config, scenes = config_of_card(card), card["scenes"]
    backend: Backend
    if files.weights.name in GRAPH_FILES.values():
        backend = _exported_backend(files, card, config.data, threads)
    else:
        from dmad.inference.torch_backend import TorchBackend

        model = _load_network(files, form, config, len(scenes))
        backend = TorchBackend(model, config, form, device, fast, in_place=True)
    calibration = card.get("calibration")
    return Detector(
        backend,
        config,
        form,
        scenes=scenes,
        calibration=_calibration(files, calibration) if calibration else None,
        levels=card.get("levels"),
        images=card.get("images"),
    )


def _calibration(files: ModelFiles, tree: dict[str, Any]) -> Calibration:
    try:
        return Calibration.from_dict(tree)
    except DmadError as error:
        raise DmadError(
            f"{files.card} has a damaged calibration ({error}); calibrate again"
        ) from error


def _exported_backend(
    files: ModelFiles, card: dict[str, Any], data: DataConfig, threads: int
) -> Backend:
    from dmad.inference.exported_backend import ExportedBackend, load_graph

    entry = card.get("export", {})
    _check_parts(files, entry)
    graph = load_graph(files.weights, str(entry.get("precision", "fp32")), threads)
    path = files.weights.with_name(TEMPLATES)
    templates = _read_templates(path, len(card["scenes"]), data) if path.is_file() else None
    return ExportedBackend(graph, templates)


def _check_parts(files: ModelFiles, entry: Mapping[str, Any]) -> None:
    """Check that no file of an export is missing, and that all files belong to the same export.

    The model's card (the JSON file beside the graph) stores a hash of each file. The cards of early
    exports store no hashes, so nothing is checked for these exports.

    Args:
        files: The files of the model.
        entry: The entry `export` of the card.
    """
    for name, expected in typed(dict[str, str], entry.get("sha256", {}), "sha256").items():
        path = files.weights.parent / Path(name).name
        require(path.is_file(), f"{files.weights.parent} has no {name}; export the model again")
        require(
            sha256_of(path) == expected,
            f"{path} is damaged or belongs to another export; export the model again",
        )


def _read_templates(path: Path, scenes: int, data: DataConfig) -> np.ndarray:
    """Read the background templates (S, C, H, W) beside an exported graph."""
    templates = read_npy(path)
    expected = (scenes, data.channels, data.size, data.size)
    require(
        templates.dtype == np.float32 and templates.shape == expected,
        f"{path} holds {templates.dtype} {templates.shape}, not float32 {expected}; export the "
        "model again",
    )
    return np.array(templates)


def _load_network(
    files: ModelFiles, form: Form[Any, Any], config: Config, scenes: int
) -> nn.Module:
    """Return the network of a saved model, with its weights."""
    try:
        model: nn.Module = form.network(config, scenes)
        model.load_state_dict(read_weights(files), assign=True)  # without a second copy
    except RuntimeError as error:
        raise DmadError(
            f"{files.weights} does not belong to {files.card.name} beside it; put the right files "
            "together, or train again if they come from an earlier version of dmad"
        ) from error
    return model
