"""Settings as plain values and back: what YAML and JSON hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dmad.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    ScoreConfig,
    TrainConfig,
    require,
)

SECTIONS = {
    "data": DataConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "score": ScoreConfig,
    "train": TrainConfig,
}
PLACES = ("root", "cache", "teacher_weights")  # paths, kept from the root of the file system
PATHS = (*PLACES, "start")


def plain(value: Any) -> Any:
    """Turn a configuration into dicts, lists, numbers and strings, for YAML or JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def anchored(config: Config) -> Config:
    """The same settings, whose paths hold from any folder."""
    return restore(plain(config))


def restore(tree: dict[str, Any]) -> Config:
    """Build a `Config` from what `plain` made of one; unknown names raise `DmadError`.

    Relative paths are taken from the present folder and made absolute.
    """
    sections = {name: _section(name, tree.get(name, {})) for name in SECTIONS}
    return Config(recipe=str(tree.get("recipe", "video")), **sections)


def of_card(card: Mapping[str, Any]) -> Config:
    """The settings in a model's card, with the α that was chosen for it."""
    config = restore(card["config"])
    choice = card.get("choice")
    if not choice:
        return config
    return replace(config, score=replace(config.score, alpha=choice["alpha"]))


def _section(name: str, values: dict[str, Any]) -> Any:
    known = {item.name for item in fields(SECTIONS[name])}
    unknown = sorted(set(values) - known)
    require(not unknown, f"unknown setting {name}.{', '.join(unknown)}; known: {sorted(known)}")
    return SECTIONS[name](**{key: _value(key, item) for key, item in values.items()})


def _value(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if key not in PATHS or value is None:
        return value
    return Path(value).absolute() if key in PLACES else Path(value)
