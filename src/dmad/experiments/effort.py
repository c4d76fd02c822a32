"""How much an experiment does: seeds, epochs, size, and what a budget of time leaves of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dmad.config import Config, changed
from dmad.data.splits import load_split
from dmad.data.windows import Windows
from dmad.errors import require
from dmad.files import write_whole
from dmad.runs import find_model, read_card
from dmad.training.train import train

PACE = 24  # samples by which a machine's speed is told
Variants = Mapping[str, Config]


@dataclass(frozen=True)
class Effort:
    """How much to do, and where.

    Args:
        epochs: Passes over the data; those of the settings where None.
        size: Pixels; those of the settings where None.
        seeds: The settings' own where empty.
        only: Titles of the variants to run; all where empty.
        budget: Seconds that training may take in all; None trains in full.
        ray: Share the runs among the workers of a Ray cluster, or of this machine.
    """

    epochs: int | None = None
    size: int | None = None
    seeds: Sequence[int] = ()
    only: Sequence[str] = ()
    budget: float | None = None
    ray: bool = False

    def variants(self, declared: Variants, out: Path) -> dict[str, Config]:
        """What of the declared variants is run, as long and as large as asked for.

        Raises:
            DmadError: None of them has such a title.
        """
        unknown = [title for title in self.only if title not in declared]
        require(not unknown, f"no variant is called {unknown}; there are {list(declared)}")
        kept = {
            title: resized(config, self.epochs, self.size)
            for title, config in declared.items()
            if title in (self.only or declared)
        }
        if self.budget is None:
            return kept
        return fitted(kept, self.budget / max(1, len(self.seeds)), out)

    def cells(self, variants: Variants, out: Path) -> Iterator[tuple[str, Config, Path]]:
        """Title, settings and folder of every run."""
        for title, config in variants.items():
            for seed in self.seeds or (config.train.seed,):
                folder = out / title.replace("/", "-") / f"seed{seed}"
                yield title, changed(config, seed=seed), folder


def resized(config: Config, epochs: int | None, size: int | None) -> Config:
    """Settings with other epochs and size, where they are given."""
    return changed(config, size=size or config.data.size, epochs=epochs or config.train.epochs)


def samples_of(config: Config) -> int:
    """Samples of an epoch."""
    footage = load_split(config.data, "train")
    return len(Windows(footage.footage, config.data.history, limit=config.data.limit))


def seconds_a_sample(config: Config, out: Path) -> float:
    """Seconds that training takes for one sample on this machine, from a few steps."""
    batch = min(config.train.batch_size, PACE // 3)
    few = changed(config, limit=PACE, epochs=2, batch_size=batch)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out) as folder:
        history = read_card(find_model(train(few, folder).folder))["history"]
    return float(history[-1]["seconds"]) / PACE


def fitted(variants: Variants, budget: float, out: Path) -> dict[str, Config]:
    """Variants with fewer epochs, and below one epoch fewer samples, so that all fit a budget.

    What the budget made of them is kept in `budget.json`, so that a restart asks for the same.

    Args:
        variants: Settings by title.
        budget: Seconds.
        out: Folder of the experiment.
    """
    kept = out / "budget.json"
    if kept.exists():
        told = json.loads(kept.read_text())
        cuts = told["cuts"]
        require(
            list(cuts) == list(variants) and told["seconds"] == budget,
            f"{kept} was written for another budget or other variants; choose another --out",
        )
    else:
        costs = {
            title: (seconds_a_sample(config, out), samples_of(config), config.train.epochs)
            for title, config in variants.items()
        }
        full = sum(seconds * samples * epochs for seconds, samples, epochs in costs.values())
        share = min(1.0, budget / full)
        cuts = {title: cut(epochs, samples, share) for title, (_, samples, epochs) in costs.items()}
        write_whole(kept, json.dumps({"seconds": budget, "cuts": cuts}))
    return {title: shortened(config, *cuts[title]) for title, config in variants.items()}


def cut(epochs: int, samples: int, share: float) -> tuple[int, int]:
    """Epochs, and samples an epoch (0: all), for a share of a training."""
    left = share * epochs
    if left >= 1:
        return int(left), 0
    return 1, max(1, int(left * samples))


def shortened(config: Config, epochs: int, limit: int) -> Config:
    """Settings with other epochs and, but for 0, fewer samples."""
    return changed(config, epochs=epochs, limit=limit or config.data.limit)
