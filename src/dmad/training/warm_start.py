"""What a training begins with: the weights of a model that was trained before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dmad.config import Config, changed, config_of_card
from dmad.errors import require
from dmad.runs import find_model, read_card, read_config, read_weights

TRAINING_ONLY = ("model.revive_after", "model.teacher_weights")  # no matter to a trained network

PLACES = ("root", "cache", "workers", "teacher_weights")  # settings that may change on resuming


def starting_weights(config: Config) -> dict[str, Tensor]:
    """Weights of `train.start`, all but the templates: those belong to the view it was trained on.

    Raises:
        DmadError: No such model, or it is another network.
    """
    files = find_model(str(config.train.start))
    theirs, ours = (_network(one) for one in (config_of_card(read_card(files)), config))
    other = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    require(
        not other,
        f"--train.start {config.train.start} is another network, by its {', '.join(other)}; give "
        "the model's own settings, or another model",
    )
    return {n: tensor for n, tensor in read_weights(files).items() if n != "background"}


def same_run(config: Config, run: Path) -> None:
    """Check that settings are those of a stopped run; only its places may be said anew.

    Raises:
        DmadError: They are others.
    """
    base = read_config(run)
    settings = {**vars(config.data), **vars(config.model)}
    places = {name: settings[name] for name in PLACES if name in settings}
    require(
        changed(base, **places) == config,
        "with --resume the run's own settings hold; only --data.root, --data.cache, --data.workers "
        "and --model.teacher_weights may be given; a new run goes on from this one with "
        f"--train.start {run}",
    )


def _network(config: Config) -> dict[str, Any]:
    """The settings that decide which weights a network has; its image size does not."""
    settings = {f"data.{name}": getattr(config.data, name) for name in ("channels", "history")}
    for item in fields(config.model):
        settings[f"model.{item.name}"] = getattr(config.model, item.name)
    return {name: value for name, value in settings.items() if name not in TRAINING_ONLY}


def begin_with(model: nn.Module, weights: Mapping[str, Tensor], config: Config) -> None:
    """Give a network the weights of `starting_weights`, where there are any.

    Raises:
        DmadError: They come from other code.
    """
    if not weights:
        return
    try:
        found = model.load_state_dict(weights, strict=False)
        fits = not found.unexpected_keys and set(found.missing_keys) <= {"background"}
    except RuntimeError:
        fits = False
    start = config.train.start
    require(fits, f"--train.start {start} comes from another version; train it again, or leave it")
