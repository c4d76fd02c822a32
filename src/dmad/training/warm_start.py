"""Checks for a training that starts from the weights of a model, or that resumes a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dmad.config import Config, TrainedConfig, changed, config_of_card
from dmad.errors import require
from dmad.runs import find_model, read_card, read_config, read_weights

# Settings that do not change the network.
TRAINING_ONLY = ("model.revive_after", "model.teacher_weights")
# Settings that may change when a run is resumed.
LOCATIONS = ("root", "cache", "workers", "teacher_weights")


def read_starting_weights(config: TrainedConfig) -> dict[str, Tensor]:
    """Read the weights of the model that `train.start` names, without its background templates.

    The templates belong to the views on which that model was trained.

    Raises:
        DmadError: The model does not exist, or the settings of its network are different.
    """
    start = config.train.start
    files = find_model(str(start))
    theirs = _network_settings(config_of_card(read_card(files)))
    ours = _network_settings(config)
    different = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    require(
        not different,
        f"--train.start {start} has a network with other settings ({', '.join(different)}); give "
        "the settings of that model, or another model",
    )
    weights = read_weights(files)
    weights.pop("background", None)
    return weights


def _network_settings(config: Config) -> dict[str, Any]:
    """The settings that decide which weights a network has. The image size is not one of them."""
    settings = {f"data.{name}": getattr(config.data, name) for name in ("channels", "history")}
    for item in fields(config.model):
        settings[f"model.{item.name}"] = getattr(config.model, item.name)
    return {name: value for name, value in settings.items() if name not in TRAINING_ONLY}


def load_starting_weights(
    model: nn.Module, weights: Mapping[str, Tensor], config: TrainedConfig
) -> None:
    """Load weights from `read_starting_weights` into a network, which keeps its own templates.

    Raises:
        DmadError: The weights do not fit, because another version of dmad wrote them.
    """
    try:
        mismatch = model.load_state_dict(weights, strict=False)
        fits = not mismatch.unexpected_keys and set(mismatch.missing_keys) <= {"background"}
    except RuntimeError:  # a weight has another shape
        fits = False
    start = config.train.start
    require(
        fits,
        f"--train.start {start} was written by another version of dmad; train that model again, or "
        "start without it",
    )


def check_resumed_settings(config: Config, run: Path) -> None:
    """Check that the settings are those of the run to resume.

    Only the settings that `LOCATIONS` names may differ, such as the folder of the data.

    Raises:
        DmadError: Another setting differs.
    """
    given = {**vars(config.data), **vars(config.model)}
    locations = {name: given[name] for name in LOCATIONS if name in given}
    require(
        changed(read_config(run), **locations) == config,
        "--resume uses the settings of the run; only --data.root, --data.cache, --data.workers and "
        "--model.teacher_weights can be changed; to start a new run from this model, give "
        f"--train.start {run}",
    )
