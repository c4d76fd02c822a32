"""The interface of the methods that `dmad experiment peers` compares, and dmad itself as one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from dmad.api import complete, load
from dmad.config import Config, DataConfig, ImageDataConfig, plain, restore
from dmad.data.footage import fingerprint
from dmad.data.locations import required_root, with_locations
from dmad.data.splits import load_split
from dmad.errors import DmadError, require
from dmad.forms.images.evaluation import ScoredImages, score_frames
from dmad.inference.detector import Detector
from dmad.runs import find_model, read_card

OWN_NAME = "dmad"


class UnavailableError(DmadError):
    """A method needs something that is missing. The table says what, and has no numbers for it."""


@dataclass(frozen=True)
class Training:
    """How long a method was trained, and the file that contains the model."""

    minutes: float
    model: str  # path of the file
    memory: float = np.nan  # largest memory of the process in MiB; NaN: not measured
    machine: str = ""  # where it was trained; "": not known
    processor_minutes: float = np.nan  # of all threads together; NaN: not measured


class ImageScorer(Protocol):
    """A trained method."""

    @property
    def alpha(self) -> float:
        """Weight of the second term in the score; 0 if the method has one term only."""

    def __call__(self, frames: Sequence[np.ndarray]) -> ScoredImages:
        """Score images (H, W, 3) uint8, one at a time or in batches."""


class Method(Protocol):
    """A way to find anomalies in images. It travels to other processes, so it holds no network."""

    @property
    def name(self) -> str:
        """Name in the table and on the command line."""

    @property
    def settings(self) -> str:
        """The pretrained network and the length of the training, in words."""

    @property
    def finished(self) -> bool:
        """True if the method was trained before, elsewhere."""

    def train(self, data: DataConfig, folder: Path) -> Training:
        """Train on the training split. Files are written to a folder.

        Raises:
            UnavailableError: Something that the training needs cannot be downloaded.
        """

    def load(self, training: Training) -> ImageScorer:
        """Load the model that `train` stored."""


@dataclass(frozen=True)
class Own:
    """The method of dmad: a recipe that is trained, or a finished run.

    Args:
        config: All settings, of images.
        run: The finished run. None: one is trained.
        name: Name in the table. No two methods have the same name.
    """

    config: Config
    run: Path | None = None
    name: str = OWN_NAME

    @property
    def settings(self) -> str:
        """As `Method.settings`."""
        return f"{plain(self.config)['model']['teacher']}, {self.config.training}"

    @property
    def finished(self) -> bool:
        """As `Method.finished`."""
        return self.run is not None

    def train(self, data: DataConfig, folder: Path) -> Training:
        """Train a run, or take the finished one.

        Raises:
            DmadError: The finished run was trained on other images.
        """
        run, processor_minutes = self.run or folder / "run", np.nan
        if self.run is None:
            start = time.process_time()
            complete(self.config, run)
            processor_minutes = (time.process_time() - start) / 60
        files = find_model(run)
        card = read_card(files)
        trained_on = card["data"]["sha256"]
        same = trained_on == fingerprint(load_split(data, "train").footage)
        require(same, f"{run} was trained on other images than those of {data.root}; train again")
        minutes = sum(epoch.get("seconds", np.nan) for epoch in card["history"]) / 60
        return Training(
            minutes,
            str(files.weights),
            machine=card.get("machine", ""),
            processor_minutes=processor_minutes,
        )

    def load(self, training: Training) -> ImageScorer:
        """Return a detector as a scorer, with the α that was chosen in the training."""
        return DetectorScorer(load(Path(training.model)))


def own_methods(config: Config, runs: Sequence[Path]) -> list[Own]:
    """Return dmad as methods: each finished run, or a training with these settings.

    Args:
        config: Settings of a training. Without `runs` they need the folder of the data.
        runs: Finished runs.

    Raises:
        DmadError: A run is not of images, or the runs have different data settings.
    """
    if not runs:
        required_root(config.data)
        return [Own(of_images(config, "the recipe"))]
    found = []
    for index, run in enumerate(runs):
        settings = of_images(restore(read_card(find_model(run))["config"]), str(run))
        ours = with_locations(settings.data, config.data.root, config.data.cache)
        name = f"{OWN_NAME} {index + 1}" if len(runs) > 1 else OWN_NAME
        found.append(Own(replace(settings, data=ours), run, name))
    data = plain(found[0].config.data)
    other = [str(one.run) for one in found if plain(one.config.data) != data]
    require(
        not other,
        f"{', '.join(other)}: other data settings than {runs[0]}; give runs with equal ones",
    )
    return found


def of_images(config: Config, source: str) -> Config:
    """Return settings that are those of images.

    Raises:
        DmadError: They are not.
    """
    require(
        isinstance(config.data, ImageDataConfig),
        f"{source} is a model of {config.form}; give one of images",
    )
    return config


@dataclass(frozen=True)
class DetectorScorer:
    """A detector of images as `ImageScorer`."""

    detector: Detector

    @property
    def alpha(self) -> float:
        """α of Eq. 22."""
        return float(self.detector.config.score.alpha)

    def __call__(self, frames: Sequence[np.ndarray]) -> ScoredImages:
        """As `ImageScorer.__call__`."""
        return score_frames(self.detector, frames)
