"""How many models an experiment trains, for how long, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dmad.api import train_network
from dmad.checked_files import read_mapping
from dmad.config import TrainedConfig, changed
from dmad.data.splits import load_split
from dmad.data.windows import Windows
from dmad.errors import require
from dmad.experiments.grid import PlannedRun, Variants
from dmad.experiments.grid_workers import HERE, GridWorkers
from dmad.files import write_atomically
from dmad.runs import find_model, read_card
from dmad.typed import typed

TIMED_SAMPLES = 24  # samples of a short training that measures the speed of this machine
STORED_LENGTHS = "shortened.json"


@dataclass(frozen=True)
class Effort:
    """Which trainings an experiment does.

    Args:
        epochs: Number of passes over the training data. None: as in the settings of the variant.
        size: Height and width of the images in pixels. None: as in the settings of the variant.
        seeds: Each variant is trained once with each seed. Empty: the seed in its settings.
        only: Titles of the variants to train. Empty: all variants.
        time_limit: Longest time for all trainings together, in seconds. None: no limit. The times
            are those of this machine. On a cluster, the times of all trainings are added.
        workers: Where the trainings are done.
    """

    epochs: int | None = None
    size: int | None = None
    seeds: Sequence[int] = ()
    only: Sequence[str] = ()
    time_limit: float | None = None
    workers: GridWorkers = HERE

    def variants(self, declared: Variants, out: Path) -> dict[str, TrainedConfig]:
        """Return the settings of the variants to train, by title.

        The settings contain the given epochs and size. With a time limit, the trainings are
        shortened if necessary.

        Raises:
            DmadError: A title in `self.only`, the choice of the user, is not in `declared`.
        """
        unknown = [title for title in self.only if title not in declared]
        require(not unknown, f"no variant is called {unknown}; give some of {list(declared)}")
        kept = {
            title: changed(
                config,
                size=self.size or config.data.size,
                epochs=self.epochs or config.train.epochs,
            )
            for title, config in declared.items()
            if not self.only or title in self.only
        }
        if self.time_limit is None:
            return kept
        return fit_to_time(kept, self.time_limit / max(1, len(self.seeds)), out)

    def runs(self, variants: Variants, out: Path) -> list[PlannedRun]:
        """Return a planned run for each variant and seed. Each run has a folder inside `out`."""
        runs = []
        for title, config in variants.items():
            for seed in self.seeds or [config.train.seed]:
                folder = out / title.replace("/", "-") / f"seed{seed}"
                runs.append(PlannedRun(title, changed(config, seed=seed), folder))
        return runs


def samples_per_epoch(config: TrainedConfig) -> int:
    """Return the number of training samples in an epoch."""
    footage = load_split(config.data, "train").footage
    return len(Windows(footage, config.data.history, limit=config.data.limit))


def seconds_per_sample(config: TrainedConfig, out: Path) -> float:
    """Train a few steps, and return the seconds per sample on this machine."""
    batch = min(config.train.batch_size, TIMED_SAMPLES // 3)
    short = changed(config, limit=TIMED_SAMPLES, epochs=2, batch_size=batch)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out) as folder:
        history = read_card(find_model(train_network(short, folder).folder))["history"]
    return float(history[-1]["seconds"]) / TIMED_SAMPLES


def fit_to_time(variants: Variants, limit: float, out: Path) -> dict[str, TrainedConfig]:
    """Shorten all trainings by the same factor, so that together they take at most `limit`.

    The lengths are stored in `shortened.json`, and a second call uses them again.

    Args:
        variants: Settings by title.
        limit: Longest time in seconds for training every variant once.
        out: Folder of the experiment.

    Raises:
        DmadError: `shortened.json` was written for another time limit or for other variants.
    """
    path = out / STORED_LENGTHS
    if path.exists():
        stored = read_mapping(path, "delete it")
        lengths = typed(dict[str, tuple[int, int]], stored.get("cuts"), f"{path}: cuts")
        require(
            list(lengths) == list(variants) and stored.get("seconds") == limit,
            f"{path} was written for another time limit, other variants or another number of "
            "seeds; choose another --out",
        )
    else:
        lengths = _shortened_lengths(variants, limit, out)
        write_atomically(path, json.dumps({"seconds": limit, "cuts": lengths}))
    return {title: with_length(config, *lengths[title]) for title, config in variants.items()}


def _shortened_lengths(variants: Variants, limit: float, out: Path) -> dict[str, tuple[int, int]]:
    """Return the epochs and the samples per epoch (0: all) of each variant, by title."""
    samples = {title: samples_per_epoch(config) for title, config in variants.items()}
    total = 0.0
    for title, config in variants.items():
        seconds = seconds_per_sample(config, out)
        total += seconds * samples[title] * config.train.epochs
    share = min(1.0, limit / total)
    return {
        title: shortened_length(config.train.epochs, samples[title], share)
        for title, config in variants.items()
    }


def shortened_length(epochs: int, samples: int, share: float) -> tuple[int, int]:
    """Shorten a training. Return its epochs and its samples per epoch (0: all).

    If the training becomes shorter than one epoch, the epoch has fewer samples.

    Args:
        epochs: Epochs of the full training.
        samples: Samples per epoch of the full training.
        share: Length of the shortened training divided by the length of the full training.
    """
    left = share * epochs
    if left >= 1:
        return int(left), 0
    return 1, max(1, int(left * samples))


def with_length(config: TrainedConfig, epochs: int, limit: int) -> TrainedConfig:
    """Return settings with these epochs, and `limit` samples per epoch (0: as many as before)."""
    return changed(config, epochs=epochs, limit=limit or config.data.limit)
