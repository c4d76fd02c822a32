"""The run folder, and models on disk: safetensors and JSON, nothing that executes on loading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmad.config import Config, plain, restore
from dmad.errors import DmadError, require
from dmad.files import make_folder, write_atomically

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAPH_FILES = {"onnx": "model.onnx", "openvino": "model.xml"}  # of an exported model


@dataclass(frozen=True)
class Run:
    """A run folder and where its files lie."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """For resuming only."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def config(self) -> Path:
        """All settings, YAML."""
        return self.folder / "config.yaml"

    @property
    def card(self) -> Path:
        """What a trained model says of itself, JSON."""
        return self.folder / "model.json"

    @property
    def evaluation(self) -> Path:
        """What `dmad evaluate` writes."""
        return self.folder / "evaluation"


def new_run(config: Config, out: Path) -> Run:
    """Make `out/<recipe>/<timestamp>/` with the settings in it."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    run = Run(out / config.recipe / stamp)
    make_folder(run.folder.parent)
    try:
        run.folder.mkdir()
    except FileExistsError:  # another began in this millisecond
        return new_run(config, out)
    write_config(config, run)
    return run


def write_config(config: Config, run: Run) -> None:
    """Write the settings into a run folder."""
    import yaml

    write_atomically(run.config, yaml.safe_dump(plain(config), sort_keys=False))


def read_config(run: Path) -> Config:
    """The settings of a run folder."""
    import yaml

    path = Run(run).config
    require(path.exists(), f"{run} is no run folder: it holds no config.yaml; give one that "
            "`dmad train` printed")  # fmt: skip
    try:
        tree = yaml.safe_load(path.read_text())
    except (ValueError, yaml.YAMLError):
        tree = None
    require(isinstance(tree, dict), f"{path} is damaged; train the model anew")
    return restore(tree)


@dataclass(frozen=True)
class ModelFiles:
    """A saved model: weights or an exported graph, and a card of JSON beside them."""

    weights: Path
    card: Path
    shipped: bool = False  # with the project: everybody's, and never written to


def has_model(folder: Path) -> bool:
    """Whether a run is trained to its end."""
    try:
        return bool(find_model(folder))
    except DmadError:
        return False


def find_model(name: str | Path) -> ModelFiles:
    """A run folder, an exported one, a `.safetensors` file, or the name of a shipped model."""
    path = Path(name)
    here = Path(__file__).resolve()
    # a checkout keeps its models beside src, an installation beside this
    homes = [home / "models" for home in (here.parents[2], here.parent)]
    shipped = [home / f"{name}.safetensors" for home in homes]
    graphs = [path / graph for graph in GRAPH_FILES.values()]
    places = (*graphs, path / "model.safetensors", path, *shipped)
    weights = next((place for place in places if place.is_file()), None)
    if weights is None:
        known = sorted({card.stem for home in homes for card in home.glob("*.json")})
        raise DmadError(f"no model at {name}; {_instead(path, known)}")
    card = weights.with_suffix(".json")
    given = weights.suffix == ".safetensors" or weights in graphs
    require(given, f"{weights} is no .safetensors file")
    require(card.is_file(), f"{weights} has no {card.name} beside it; keep the two together")
    return ModelFiles(weights, card, weights.resolve().parent in homes)


def _instead(path: Path, shipped: Sequence[str]) -> str:
    """What to do about a path that is no model."""
    if inside := sorted(str(card.parent) for card in path.glob("*/model.json")):
        return f"it holds a model each in {', '.join(inside)}; name one"
    if Run(path).config.exists():
        return f"its training did not finish: dmad train --resume {path}"
    known = ", ".join(shipped)
    given = "give a run folder that `dmad train` printed, a .safetensors file, or a shipped model"
    return f"{given} ({known})"


def is_exported(folder: str | Path) -> bool:
    """Whether a folder holds an exported model."""
    return any((Path(folder) / graph).is_file() for graph in GRAPH_FILES.values())


def save_model(
    folder: Path, model: nn.Module, card: dict[str, Any], config: Config | None = None
) -> None:
    """Write `model.safetensors`, then `model.json`; what was calibrated with weights before goes.

    Args:
        folder: Where.
        model: Its weights.
        card: What else to keep: scenes, data, history.
        config: Settings; those of the run folder where None.
    """
    from safetensors.torch import save

    settings = plain(config or read_config(folder))
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    (folder / "model.npz").unlink(missing_ok=True)
    write_atomically(folder / "model.safetensors", save(tensors))
    text = json.dumps({"config": settings, "versions": versions(), **card}, indent=1)
    write_atomically(folder / "model.json", text)


def read_card(files: ModelFiles) -> dict[str, Any]:
    """The JSON beside a model's weights."""
    try:
        card: dict[str, Any] = json.loads(files.card.read_text())
    except ValueError as error:
        told = f"{files.card} is not readable JSON; train again or restore the file"
        raise DmadError(told) from error
    missing = sorted({"config", "scenes"} - set(card))
    require(not missing, f"{files.card} holds no {missing}; train again or restore the file")
    return card


def read_weights(files: ModelFiles) -> dict[str, Tensor]:
    """The tensors of a saved model, as 32-bit floats."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require(
        files.weights.suffix == ".safetensors",
        f"{files.weights} is an exported graph, not weights; give the run it came from",
    )
    try:
        tensors = load_file(files.weights)
    except SafetensorError as error:
        told = f"{files.weights} is damaged; train again or restore the file"
        raise DmadError(told) from error
    return {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}


def versions() -> dict[str, str]:
    """Versions of what computed a model."""
    import platform

    import lightning
    import torch

    from dmad import __version__

    return {
        "dmad": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
    }


def without_local_paths(card: dict[str, Any]) -> dict[str, Any]:
    """A card without paths of this machine; of a model it began with, the name stays."""
    config = card["config"]
    config["data"] |= {"root": None, "cache": None}
    if "teacher_weights" in config["model"]:
        config["model"]["teacher_weights"] = None
    if start := config["train"].get("start"):
        config["train"]["start"] = Path(start).name
    return card


def ship(run: Path, weights: Path) -> None:
    """Write a finished, evaluated run as 16-bit weights and a card, without paths of a machine.

    Args:
        run: Run folder with `evaluation/ledger.json`.
        weights: The `.safetensors` file to write, such as `models/ped2.safetensors`.
    """
    from safetensors.torch import save

    files = find_model(run)
    tensors = read_weights(files)
    half = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    card = without_local_paths(read_card(files))
    card["ledger"] = json.loads((Run(run).evaluation / "ledger.json").read_text())
    write_atomically(weights, save(half))
    write_atomically(weights.with_suffix(".json"), json.dumps(card, indent=1) + "\n")


def update_card(files: ModelFiles, entries: Mapping[str, Any]) -> None:
    """Write entries into a model's card."""
    write_atomically(files.card, json.dumps(read_card(files) | dict(entries), indent=1))
