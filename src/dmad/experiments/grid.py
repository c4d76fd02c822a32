"""What a grid is: the variants that an experiment trains, their outcomes, and what its table shows.

`run_grid.py` runs a grid, `grid_table.py` writes its table and `grid_figure.py` draws it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dmad.config import Config

Variants = Mapping[str, Config]  # the settings of each variant, by its title

TRAINING = "training"  # block of the columns that show a training curve


@dataclass(frozen=True)
class Column:
    """A column of results, and where its values come from: a ledger, or the last epoch.

    Args:
        title: The head of the column.
        block: A block of the ledger, or `TRAINING` for the last value of a training curve.
        signal: The signal in that block. `{recipe}` stands for the recipe of the run.
        metric: The metric of the signal, or the name of the curve.
    """

    title: str
    block: str
    signal: str
    metric: str


@dataclass(frozen=True)
class PlannedRun:
    """One training of a grid: a variant with one seed."""

    variant: str
    config: Config
    folder: Path

    @property
    def seed(self) -> int:
        """The seed of its training."""
        return self.config.train.seed


@dataclass(frozen=True)
class Outcome:
    """The results of one finished run of a grid."""

    variant: str
    seed: int
    epochs: int
    size: int  # pixels
    samples: int  # trained on in an epoch
    minutes: float  # of training
    values: dict[str, float]  # by the title of the column; NaN if the ledger has no such value
    precision: str = ""  # of training: "fp32" or "bf16"
    machine: str = ""  # that trained it

    @property
    def key(self) -> tuple[str, int]:
        """Variant and seed."""
        return self.variant, self.seed

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Outcome:
        """Read an outcome from what `as_json` returned."""
        fields = dict(stored)
        values = fields.pop("figures")
        known = {title: np.nan if value is None else value for title, value in values.items()}
        return cls(values=known, **fields)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a dictionary for a JSON file."""
        stored = dict(vars(self))
        stored["figures"] = stored.pop("values")
        return stored


@dataclass(frozen=True)
class Grid:
    """The variants of an experiment, and what its table shows.

    Args:
        name: Name of the experiment and of its files.
        variants: The settings of each variant, by its title.
        columns: The results to show.
        means: Title of each mean, and the variants that it is the mean of. A row each.
        paper_columns: Heads of the columns that hold the values of the paper.
        paper_rows: The values of the paper, by the title of the row. Other rows stay empty.
        notes: Lines below the table, such as what of the paper's table is missing.
    """

    name: str
    variants: Variants
    columns: Sequence[Column]
    means: Mapping[str, Sequence[str]] = field(default_factory=dict)
    paper_columns: Sequence[str] = ()
    paper_rows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def titles(self) -> list[str]:
        """The heads of the columns of results."""
        return [column.title for column in self.columns]


def read_outcomes(path: Path) -> list[Outcome]:
    """The outcomes that an earlier call stored in a JSON file; empty if there is no file."""
    if not path.exists():
        return []
    return [Outcome.from_json(stored) for stored in json.loads(path.read_text())["outcomes"]]


def sort_outcomes(outcomes: Iterable[Outcome], variants: Variants) -> list[Outcome]:
    """Sort outcomes by the order of their variants, then by seed."""
    order = {title: position for position, title in enumerate(variants)}
    last = len(order)
    return sorted(outcomes, key=lambda one: (order.get(one.variant, last), one.seed))
