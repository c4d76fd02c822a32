"""Settings as plain values and back: what YAML and JSON hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dmad.config import Config, DataConfig, LossConfig, ModelConfig, ScoreConfig, TrainConfig
from dmad.errors import require

SECTIONS = {
    "data": DataConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "score": ScoreConfig,
    "train": TrainConfig,
}
PLACES = ("root", "cache", "teacher_weights")  # paths that are made absolute
PATHS = (*PLACES, "start")


def plain(value: Any) -> Any:
    """Turn a configuration into dicts, lists, numbers and strings, for YAML or JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def changed(config: Config, **changes: object) -> Config:
    """Settings with some changed, each by its own name; all at once, as some belong together.

    Args:
        config: What the others stay like.
        **changes: Any setting of any section: `epochs=4, size=128, root=Path("UCSDped2")`; where
            two sections have one of that name, with the section: `loss_background=0.0`.

    Raises:
        DmadError: No such setting, or a value out of range.
    """
    known = [(section, own) for section in SECTIONS for own in vars(getattr(config, section))]
    new: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, value in changes.items():
        meant = [(section, own) for section, own in known if key in (own, f"{section}_{own}")]
        more = " or ".join("_".join(place) for place in meant)
        helped = f"`dmad train {config.recipe} --help` lists them"
        require(bool(meant), f"no setting is called {key!r}; {helped}")
        require(len(meant) == 1, f"{key!r} is a setting of several sections; say {more}")
        ((section, own),) = meant
        new[section][own] = value
    sections = {name: replace(getattr(config, name), **own) for name, own in new.items() if own}
    return replace(config, **sections)


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
    return changed(config, alpha=choice["alpha"]) if choice else config


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
