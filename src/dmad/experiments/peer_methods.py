"""The interface of the methods that `dmad experiment peers` compares, and the methods of dmad."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dmad.api import load, set_threshold, train_network
from dmad.config import Config, DataConfig, ImageDataConfig, plain, restore
from dmad.data.footage import fingerprint
from dmad.data.locations import required_root, with_locations
from dmad.data.splits import load_split
from dmad.errors import DmadError, require
from dmad.forms.images.evaluation import ScoredImages, score_frames
from dmad.inference.detector import Detector
from dmad.runs import find_model, read_card

OWN_NAME = "dmad"
PLACES = ("root", "cache", "layout", "categories")  # settings that say where the images are


class UnavailableError(DmadError):
    """A method needs something that is missing.

    In the table of `dmad experiment peers`, the row of the method says "not measured". A note below
    the table says what is missing.
    """


@dataclass(frozen=True)
class Training:
    """How long a method was trained, and the file that contains the model."""

    minutes: float
    model: str  # path of this file
    memory: float = np.nan  # largest memory of the process in MiB; NaN: not measured
    machine: str = ""  # where it was trained; "": not known
    processor_minutes: float = np.nan  # of all threads together; NaN: not measured


class ImageScorer(Protocol):
    """A trained method, ready to score images."""

    @property
    def alpha(self) -> float:
        """Weight of the second term in the score; 0 if the method has one term only."""

    def __call__(self, frames: Sequence[np.ndarray]) -> ScoredImages:
        """Score images (H, W, 3) uint8, one at a time or in batches."""


class Method(Protocol):
    """A way to find anomalies in images. It is sent to other processes, so it holds no network."""

    @property
    def name(self) -> str:
        """Name in the table and on the command line."""

    @property
    def settings(self) -> str:
        """The main settings as text, such as the pretrained network and the number of epochs."""

    @property
    def finished(self) -> bool:
        """True if the method is a model that was trained before this experiment."""

    def train(self, data: DataConfig, folder: Path) -> Training:
        """Train on the training split, and write the files of the model to a folder.

        Returns:
            The duration of the training, and the path of the model.

        Raises:
            UnavailableError: Something that the training needs cannot be downloaded.
        """

    def load(self, training: Training) -> ImageScorer:
        """Load the model that `train` has stored."""


@dataclass(frozen=True)
class Own:
    """A method of dmad: a recipe that is trained, or a finished run.

    Args:
        config: All settings of a model of images.
        run: The finished run. None: a run is trained.
        name: Name in the table, such as "dmad images". No two methods have the same name.
    """

    config: Config
    run: Path | None = None
    name: str = OWN_NAME

    @property
    def settings(self) -> str:
        """The teacher, and the number of epochs or of stored patches, as text."""
        return f"{plain(self.config)['model']['teacher']}, {self.config.training}"

    @property
    def finished(self) -> bool:
        """True if the method is a model that was trained before this experiment."""
        return self.run is not None

    def train(self, data: DataConfig, folder: Path) -> Training:
        """Train a run in a folder. If `run` is a finished run, use this run instead.

        Returns:
            The duration of the training, and the path of the model.

        Raises:
            DmadError: The finished run was trained on other images.
            UnavailableError: The method is a bank of patches that holds out no images for the
                threshold.
        """
        shared, smallest = trained_images(data), self.config.data.hold_out_from
        same_folder = self.config.data.root == data.root
        if smallest and same_folder and trained_images(self.config.data) != shared:
            raise UnavailableError(
                f"a bank of fewer than {smallest} good images keeps patches of all of them, so "
                "none are left for the threshold; put good images for it into a folder named "
                "validation"
            )
        run, processor_minutes = self.run or folder / "run", np.nan
        if self.run is None:
            processor_minutes = train_run(self.config, run)
        files = find_model(run)
        card = read_card(files)
        same = card["data"]["sha256"] == shared
        require(same, f"{run} was trained on other images than those of {data.root}; train again")
        minutes = sum(epoch.get("seconds", np.nan) for epoch in card["history"]) / 60
        return Training(
            minutes,
            str(files.weights),
            machine=card.get("machine", ""),
            processor_minutes=processor_minutes,
        )

    def load(self, training: Training) -> ImageScorer:
        """Load a model, and return it as an `ImageScorer` with the α that the training chose."""
        return DetectorScorer(load(Path(training.model)))


def trained_images(data: DataConfig) -> str:
    """Return a hash of the images to train on."""
    return fingerprint(load_split(data, "train").footage)


def train_run(config: Config, run: Path) -> float:
    """Train a run, or resume its training. Then choose α, and set the threshold.

    Returns:
        The processor minutes of the training. NaN if an earlier call started the training. The time
        for α and the threshold is not included.
    """
    started, start = run.exists(), time.process_time()
    train_network(config, resume=run)
    minutes = (time.process_time() - start) / 60
    set_threshold(run)
    return np.nan if started else minutes


def own_methods(configs: Sequence[Config], runs: Sequence[Path]) -> list[Own]:
    """Return the methods of dmad: one for each of `runs`, or if it is empty, of `configs`.

    Args:
        configs: Settings of trainings, with the same image size. Without finished runs, they must
            name the folder of the data. With finished runs, only the folders of data and cache in
            the first settings are used.
        runs: Finished runs. Empty: the methods are trained with `configs`.

    Raises:
        DmadError: A run is not of images, or the runs have different data settings.
    """
    if not runs:
        required_root(configs[0].data)
        return [Own(of_images(one, "the recipe"), name=name_of(one)) for one in configs]
    given, found = configs[0].data, list[Own]()
    for run in runs:
        settings = of_images(restore(read_card(find_model(run))["config"]), str(run))
        ours = with_locations(settings.data, given.root, given.cache)
        found.append(Own(replace(settings, data=ours), run, name_of(settings)))
    first = settings_of_images(found[0])
    other = [str(one.run) for one in found if settings_of_images(one) != first]
    require(
        not other,
        f"{', '.join(other)}: other data settings than {runs[0]}, such as --data.size; give runs "
        "with equal settings",
    )
    return numbered(found)


def settings_of_images(own: Own) -> dict[str, Any]:
    """Return the data settings of a method, without those that say where its images are.

    Finished runs can be compared only if these settings are equal.
    """
    return {name: value for name, value in plain(own.config.data).items() if name not in PLACES}


def name_of(config: Config) -> str:
    """Return the name of the method with these settings, such as "dmad images"."""
    return f"{OWN_NAME} {config.recipe}"


def numbered(methods: Sequence[Own]) -> list[Own]:
    """Return the methods. If several have the same name, add a number to each of these names."""
    names = [one.name for one in methods]
    return [
        replace(one, name=f"{one.name} {names[:index].count(one.name) + 1}")
        if names.count(one.name) > 1
        else one
        for index, one in enumerate(methods)
    ]


def shared_data(own: Sequence[Own]) -> ImageDataConfig:
    """Return the data settings that all methods share.

    With these settings, images are held out, even if the settings of a patch bank hold out none.
    Each method needs held-out images for its threshold.
    """
    data = own[0].config.data
    return ImageDataConfig(
        **{item.name: getattr(data, item.name) for item in fields(ImageDataConfig)}
    )


def of_images(config: Config, source: str) -> Config:
    """Check that settings are those of a model of images, and return them.

    Raises:
        DmadError: The settings are those of another form.
    """
    require(
        isinstance(config.data, ImageDataConfig),
        f"{source} is a model of {config.form}; give one of images",
    )
    return config


@dataclass(frozen=True)
class DetectorScorer:
    """A detector of images, used as `ImageScorer`."""

    detector: Detector

    @property
    def alpha(self) -> float:
        """α of Eq. 22."""
        return float(self.detector.config.score.alpha)

    def __call__(self, frames: Sequence[np.ndarray]) -> ScoredImages:
        """Score images (H, W, 3) uint8, one at a time or in batches."""
        return score_frames(self.detector, frames)
