"""Run folders, and saved models. Loading a model executes no code.

A saved model is a file of weights and a card. The card is a JSON file beside the weights. It holds
the settings (`config`), the names of the views (`scenes`), the training data, the versions of the
libraries, and later the calibration.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmad.checked_files import read_json, read_mapping, read_yaml
from dmad.config import Config, config_of_card, plain, restore
from dmad.errors import DmadError, require
from dmad.files import make_folder, sha256_of, unfinished_path, write_atomically
from dmad.typed import typed

if TYPE_CHECKING:
    from torch import Tensor, nn

GRAPH_FILES = {"onnx": "model.onnx", "openvino": "model.xml"}  # of an exported model
TEMPLATES = "background.npy"  # of an exported model
GRAPH_PARTS = ("model.bin", TEMPLATES)  # files beside a graph: its weights and templates

CARD_FORMAT = 2  # cards of format 1 contain no format number

# Types of the entries of a card that this program reads.
CARD_TYPES = {
    "config": dict[str, Any],
    "scenes": list[str],
    "history": list[dict[str, Any]],
    "levels": dict[str, float] | None,
    "choice": dict[str, Any],
    "weighing": dict[str, Any],
    "calibration": dict[str, Any] | None,
    "export": dict[str, Any],
}
ADVICE = "train again or restore the file"

LATEST = "latest"  # name of a link to the run that was started last

PACKAGE = Path(__file__).resolve().parent
# Models that come with dmad. In a checkout they are beside `src`; in an installed package, inside.
SHIPPED_MODELS = (PACKAGE.parents[1] / "models", PACKAGE / "models")


@dataclass(frozen=True)
class Run:
    """A run folder (the folder of one training), and the paths of its files."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """State of the training after the last epoch, used only to resume it."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def config(self) -> Path:
        """All settings, as YAML."""
        return self.folder / "config.yaml"

    @property
    def card(self) -> Path:
        """Card of the trained model: a JSON file with settings, names of views and calibration."""
        return self.folder / "model.json"

    @property
    def evaluation(self) -> Path:
        """Folder that `dmad evaluate` writes to."""
        return self.folder / "evaluation"


def new_run(config: Config, out: Path) -> Run:
    """Make the folder `out/<recipe>/<timestamp>/` and write the settings into it.

    The link `out/latest` then leads to this folder.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    run = Run(out / config.recipe / stamp)
    make_folder(run.folder.parent)
    try:
        run.folder.mkdir()
    except FileExistsError:  # another run started in this millisecond
        return new_run(config, out)
    write_config(config, run)
    _link_latest(run, out)
    return run


def _link_latest(run: Run, out: Path) -> None:
    """Let the link `out/latest` lead to a run. A file or folder of this name is not replaced."""
    latest = out / LATEST
    if latest.exists() and not latest.is_symlink():
        return
    unfinished = unfinished_path(out)
    with suppress(OSError):  # not every file system has links
        unfinished.symlink_to(run.folder.relative_to(out), target_is_directory=True)
        unfinished.replace(latest)


def write_config(config: Config, run: Run) -> None:
    """Write the settings into a run folder."""
    import yaml

    write_atomically(run.config, yaml.safe_dump(plain(config), sort_keys=False))


def read_config(run: Path) -> Config:
    """Read the settings of a run folder.

    Raises:
        DmadError: The folder has no `config.yaml`, or the file is damaged.
    """
    path = Run(run).config
    require(
        path.exists(),
        f"{run} is not a run folder: it holds no config.yaml; give one that `dmad train` printed",
    )
    try:
        return restore(read_yaml(path))
    except DmadError as error:
        raise DmadError(f"{path} is damaged ({error}); train the model again") from error


@dataclass(frozen=True)
class ModelFiles:
    """The files of a saved model."""

    weights: Path  # a `.safetensors` file, or an exported graph
    card: Path  # the JSON file beside it
    shipped: bool = False  # it comes with dmad, so it is never changed

    @property
    def digest(self) -> str:
        """SHA-256 hash of all files that hold weights. Different weights have different hashes.

        The weights of an OpenVINO graph are not in `weights`, but in a file beside it.
        """
        is_graph = self.weights.name in GRAPH_FILES.values()
        beside = [self.weights.with_name(name) for name in GRAPH_PARTS] if is_graph else []
        hashes = [sha256_of(path) for path in (self.weights, *beside) if path.is_file()]
        return hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes).encode()).hexdigest()


def has_model(folder: Path) -> bool:
    """Return True if a run has a saved model, which means that its training has finished."""
    try:
        find_model(folder)
    except DmadError:
        return False
    return True


def find_model(name: str | Path) -> ModelFiles:
    """Find the files of a model.

    Args:
        name: A run folder, the folder of an exported model, a `.safetensors` file, or the name of a
            model that comes with dmad.

    Raises:
        DmadError: The model does not exist, its file has another type, or the JSON file beside
            the weights (the card) is missing.
    """
    path = Path(name)
    graphs = [path / graph for graph in GRAPH_FILES.values()]
    shipped = [folder / f"{name}.safetensors" for folder in SHIPPED_MODELS]
    candidates = [*graphs, path / "model.safetensors", path, *shipped]
    existing = [candidate for candidate in candidates if candidate.is_file()]
    require(bool(existing), f"no model at {name}; {_advice(path)}")
    weights = existing[0]
    usable = weights.suffix == ".safetensors" or weights in graphs
    require(usable, f"{weights} is not a .safetensors file")
    card = weights.with_suffix(".json")
    require(card.is_file(), f"{weights} has no {card.name} beside it; keep the two together")
    return ModelFiles(weights, card, weights.resolve().parent in SHIPPED_MODELS)


def _advice(path: Path) -> str:
    categories = sorted(str(card.parent) for card in path.glob("*/model.json"))
    if categories:
        return f"its folders hold models: {', '.join(categories)}; give one of these folders"
    if Run(path).config.exists():
        return f"its training has not finished; if it was stopped: dmad train --resume {path}"
    shipped = sorted({card.stem for folder in SHIPPED_MODELS for card in folder.glob("*.json")})
    return (
        "give a run folder that `dmad train` printed, a .safetensors file, or the name of a model "
        f"that comes with dmad ({', '.join(shipped)})"
    )


def save_model(
    folder: Path, model: nn.Module, card: Mapping[str, Any], config: Config | None = None
) -> None:
    """Write `model.safetensors` and `model.json`. Files of an earlier calibration are deleted.

    Args:
        folder: Folder to write to.
        model: The network.
        card: More entries for `model.json` (the card), such as scenes, data and history.
        config: The settings. None: `config.yaml` of the folder.
    """
    from safetensors.torch import save

    settings = plain(config or read_config(folder))
    (folder / "model.npz").unlink(missing_ok=True)  # held-out score terms of earlier weights
    shutil.rmtree(folder / "model.history", ignore_errors=True)  # thresholds of earlier weights
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / "model.safetensors", save(tensors))
    entries = {"format": CARD_FORMAT, "config": settings, "versions": library_versions(), **card}
    write_atomically(folder / "model.json", json.dumps(entries, indent=1))


def read_card(files: ModelFiles) -> dict[str, Any]:
    """Read the card of a model: the JSON file beside its weights.

    A card of an older format is converted.

    Raises:
        DmadError: The card is damaged, or a newer version of dmad wrote it.
    """
    card = read_mapping(files.card, ADVICE)
    missing = sorted({"config", "scenes"} - set(card))
    require(not missing, f"{files.card} holds no {missing}; {ADVICE}")
    written = typed(int, card.get("format", 1), f"{files.card}: format")
    require(
        written <= CARD_FORMAT,
        f"{files.card} has format {written}, but this dmad reads formats up to {CARD_FORMAT}; "
        "update dmad",
    )
    try:
        for name, kind in CARD_TYPES.items():
            if name in card:
                card[name] = typed(kind, card[name], name)
        require(bool(card["scenes"]), "scenes is empty")
        config_of_card(card)  # checks the settings
    except DmadError as error:
        raise DmadError(f"{files.card} cannot be used ({error}); {ADVICE}") from error
    return migrate_card(card) if written < CARD_FORMAT else card


def migrate_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a card (the JSON file of a model) from format 1 to format 2.

    The settings in format 2 also state the form of the model, such as PDM or PPDM.
    """
    return {**card, "format": CARD_FORMAT, "config": plain(restore(card["config"]))}


def update_card(files: ModelFiles, entries: Mapping[str, Any]) -> None:
    """Write entries into the card of a model (the JSON file beside its weights).

    These entries replace entries of the same names.
    """
    write_atomically(files.card, json.dumps(read_card(files) | dict(entries), indent=1))


def read_weights(files: ModelFiles) -> dict[str, Tensor]:
    """Read the tensors of a saved model, as 32-bit floats.

    Raises:
        DmadError: The file is damaged, or it is an exported graph.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require(
        files.weights.suffix == ".safetensors",
        f"{files.weights} is an exported graph, not weights; give the run that was exported",
    )
    try:
        tensors = load_file(files.weights)
    except SafetensorError as error:
        message = f"{files.weights} is damaged; train again or restore the file"
        raise DmadError(message) from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def library_versions() -> dict[str, str]:
    """Return the versions of dmad, torch, Lightning and Python."""
    import platform
    from importlib.metadata import version

    import lightning
    import torch

    return {
        "dmad": version("dmad"),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
    }


def without_local_paths(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a card (the JSON file of a model) without paths of this machine.

    The path in `train.start` is replaced by its last part.
    """
    copy = deepcopy(dict(card))
    config = copy["config"]
    config["data"] |= {"root": None, "cache": None}
    if "teacher_weights" in config["model"]:
        config["model"]["teacher_weights"] = None
    if start := config["train"].get("start"):
        config["train"]["start"] = Path(start).name
    return copy


def write_shipped_model(run: Path, weights: Path) -> None:
    """Write the model of an evaluated run as a model that comes with dmad.

    The weights are stored in 16 bit. The card, a JSON file beside the weights, contains the results
    of the evaluation (the ledger), and no paths of this machine.

    Args:
        run: Run folder with `evaluation/ledger.json`.
        weights: The `.safetensors` file to write, such as `models/ped2.safetensors`.
    """
    from safetensors.torch import save

    files = find_model(run)
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in read_weights(files).items()
    }
    card = without_local_paths(read_card(files))
    card["ledger"] = read_json(Run(run).evaluation / "ledger.json", "evaluate the run again")
    write_atomically(weights, save(half))
    write_atomically(weights.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
