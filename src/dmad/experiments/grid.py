"""A grid (the variants of an experiment, and the columns of its table), and the outcomes of runs.

`run_grid.py` runs a grid. `grid_workers.py` trains the variants, `grid_table.py` writes the table,
and `grid_figure.py` draws the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dmad.checked_files import read_mapping
from dmad.config import TrainedConfig
from dmad.errors import DmadError, one_line

Variants = Mapping[str, TrainedConfig]  # the settings of each variant, by its title

TRAINING = "training"  # `block` of columns with the last value of a training curve


@dataclass(frozen=True)
class Column:
    """A column of results. Its values come from the ledger of a run or from its training curves.

    Args:
        title: Title of the column.
        block: Block (group of rows) of the ledger, or `TRAINING` for the last value of a training
            curve.
        signal: Name of the scores in the block. `{recipe}` is replaced by the recipe of the run.
        metric: Metric of these scores, such as `AUPRO`, or name of the training curve.
    """

    title: str
    block: str
    signal: str
    metric: str


@dataclass(frozen=True)
class PlannedRun:
    """A training of a grid: a variant with a seed."""

    variant: str
    config: TrainedConfig
    folder: Path

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self.config.train.seed

    @property
    def title(self) -> str:
        """The variant and the seed as text, for messages."""
        return f"{self.variant}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """The results of a finished run of a grid."""

    variant: str
    seed: int
    epochs: int
    size: int  # pixels
    samples: int  # number of training samples in an epoch
    minutes: float  # duration of the training
    values: dict[str, float]  # by title of the column; NaN if the ledger has no such value
    precision: str = ""  # precision of the training: "fp32" or "bf16"
    machine: str = ""  # machine of the training

    @property
    def key(self) -> tuple[str, int]:
        """The variant and the seed."""
        return self.variant, self.seed

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Outcome:
        """Return the outcome from a dictionary that `as_json` returned."""
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
    """The variants of an experiment, and the content of its table.

    Args:
        name: Name of the experiment and of its files.
        variants: The settings of each variant, by its title.
        columns: The results to show.
        means: Rows with the mean of several variants: the title of the row, and the variants.
        paper_columns: Titles of the columns with the values of the paper.
        paper_rows: The values of the paper, by the title of the row. Other rows have none.
        notes: Lines below the table.
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
        """The titles of the columns of results."""
        return [column.title for column in self.columns]


def read_outcomes(path: Path) -> list[Outcome]:
    """Read the outcomes of earlier calls from a JSON file; empty if there is no file."""
    if not path.exists():
        return []
    try:
        return [Outcome.from_json(stored) for stored in read_mapping(path, "delete it")["outcomes"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DmadError(f"{path} is damaged ({one_line(error)}); delete it") from error


def sort_outcomes(outcomes: Iterable[Outcome], variants: Variants) -> list[Outcome]:
    """Sort outcomes by the order of their variants, then by seed."""
    order = {title: position for position, title in enumerate(variants)}
    last = len(order)
    return sorted(outcomes, key=lambda one: (order.get(one.variant, last), one.seed))
