"""Trainings that start from an earlier one: from the weights of a model, or by resuming a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dmad.config import Config, changed, config_of_card
from dmad.errors import require
from dmad.runs import find_model, read_card, read_config, read_weights

TRAINING_ONLY = ("model.revive_after", "model.teacher_weights")  # do not change the network

LOCATIONS = ("root", "cache", "workers", "teacher_weights")  # may change when a run is resumed


def read_starting_weights(config: Config) -> dict[str, Tensor]:
    """Read the weights of the model `train.start`, without its background templates.

    The templates belong to the views on which that model was trained.

    Raises:
        DmadError: There is no such model, or it is another network.
    """
    start = config.train.start
    files = find_model(str(start))
    theirs = _network_settings(config_of_card(read_card(files)))
    ours = _network_settings(config)
    different = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    require(
        not different,
        f"--train.start {start} is another network, by its {', '.join(different)}; give the "
        "settings of that model, or another model",
    )
    weights = read_weights(files)
    weights.pop("background", None)
    return weights


def _network_settings(config: Config) -> dict[str, Any]:
    """The settings that decide which weights a network has. Its image size is not one of them."""
    settings = {f"data.{name}": getattr(config.data, name) for name in ("channels", "history")}
    for item in fields(config.model):
        settings[f"model.{item.name}"] = getattr(config.model, item.name)
    return {name: value for name, value in settings.items() if name not in TRAINING_ONLY}


def load_starting_weights(model: nn.Module, weights: Mapping[str, Tensor], config: Config) -> None:
    """Load weights from `read_starting_weights` into a network. It keeps its own templates.

    Raises:
        DmadError: They do not fit the network, because another version of dmad wrote them.
    """
    try:
        mismatch = model.load_state_dict(weights, strict=False)
        fits = not mismatch.unexpected_keys and set(mismatch.missing_keys) <= {"background"}
    except RuntimeError:  # of another shape
        fits = False
    start = config.train.start
    require(fits, f"--train.start {start} comes from another version; train it again, or leave it")


def check_resumed_settings(config: Config, run: Path) -> None:
    """Check that settings are those of the run to resume. Only `LOCATIONS` may be different.

    Raises:
        DmadError: Other settings are different.
    """
    given = {**vars(config.data), **vars(config.model)}
    locations = {name: given[name] for name in LOCATIONS if name in given}
    require(
        changed(read_config(run), **locations) == config,
        "with --resume the run's own settings hold; only --data.root, --data.cache, --data.workers "
        "and --model.teacher_weights may be given; a new run goes on from this one with "
        f"--train.start {run}",
    )
