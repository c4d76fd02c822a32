"""Trains and evaluates each variant of a grid with each seed; writes a table and a figure.

Finished runs in the output folder are not repeated, so a stopped experiment can be started again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.categories import ledger_value
from dmad.config import Config, TrainedConfig
from dmad.data.locations import with_locations
from dmad.errors import DmadError, require
from dmad.experiments.effort import Effort
from dmad.experiments.grid import (
    TRAINING,
    Column,
    Grid,
    Outcome,
    PlannedRun,
    Variants,
    read_outcomes,
    sort_outcomes,
)
from dmad.experiments.grid_figure import draw_grid
from dmad.experiments.grid_table import write_grid_table
from dmad.experiments.grid_workers import Rows, check_same_settings, run_all
from dmad.experiments.tables import print_table
from dmad.runs import Run, find_model, read_card, read_config

logger = logging.getLogger(__name__)

PRECISIONS = {"bf16-mixed": "bf16", "32-true": "fp32"}  # Lightning's name: name in a table


def run_grid(grid: Grid, out: Path, effort: Effort) -> list[Outcome]:
    """Train and evaluate every variant with every seed; print and write the table and figure.

    Args:
        grid: The variants and the columns of the table.
        out: Folder for the runs and for `NAME.json`, `.csv`, `.md`, `.png` and `.pdf`. Outcomes of
            earlier calls stay in the table.
        effort: The seeds, epochs, size and variants to run, and where they are trained.

    Raises:
        DmadError: The folder holds runs with other settings, or some trainings failed. The error is
            raised after all other trainings.
    """
    variants = effort.variants(grid.variants, out)
    outcomes = {one.key: one for one in read_outcomes(out / f"{grid.name}.json")}
    _check_earlier(grid, effort, variants, list(outcomes.values()), out)
    runs = effort.runs(variants, out)
    failures: list[str] = []
    for run, result in run_all(runs, effort.workers):  # in the order in which they end
        if result.failure:
            failures.append(f"{run.title}: {result.failure}")
            logger.warning(failures[-1])
            continue
        outcome = read_outcome(run, result.rows, grid.columns)
        before = outcomes.get(outcome.key)
        if before and not outcome.machine:
            outcome = replace(outcome, machine=before.machine)
        outcomes[outcome.key] = outcome
        ordered = sort_outcomes(outcomes.values(), grid.variants)
        table = write_grid_table(grid, ordered, out)  # after every run, in case of a stop
    if len(failures) < len(runs):
        print_table(table)
        draw_grid(ordered, grid.titles, out / grid.name)
    if failures:
        raise DmadError(
            f"{len(failures)} of {len(runs)} trainings failed; the same command tries them again. "
            f"The first is {failures[0]}"
        )
    return ordered


def _check_earlier(
    grid: Grid, effort: Effort, variants: Variants, earlier: Sequence[Outcome], out: Path
) -> None:
    """Check that the outcomes of earlier calls can be in the table of this call.

    Raises:
        DmadError: Earlier outcomes have other columns, or were trained with other settings.
    """
    if effort.time_limit is None:  # else only the chosen variants have a known length
        variants = replace(effort, only=()).variants(grid.variants, out)
    for one in earlier:
        lacking = [title for title in grid.titles if title not in one.values]
        require(not lacking, f"{out} holds {one.variant!r} without {lacking}; choose another --out")
        if one.variant in variants:
            _check_length(one, variants[one.variant], out)
    keys = {one.key for one in earlier}
    seeds = sorted({one.seed for one in earlier})
    for run in replace(effort, seeds=seeds).runs(variants, out):
        if (run.variant, run.seed) in keys and Run(run.folder).config.exists():
            check_same_settings(run)


def _check_length(earlier: Outcome, config: TrainedConfig, out: Path) -> None:
    epochs, size = config.train.epochs, config.data.size
    require(
        (epochs, size) == (earlier.epochs, earlier.size),
        f"{out} holds {earlier.variant!r} of {earlier.epochs} epochs at {earlier.size} px, "
        f"not {epochs} at {size}; choose another folder with --out",
    )


def read_outcome(run: PlannedRun, rows: Rows, columns: Sequence[Column]) -> Outcome:
    """Return the outcome of a finished run, from its model card and the rows of its ledger."""
    card = read_card(find_model(run.folder))
    history = card["history"]
    recipe = run.config.recipe
    return Outcome(
        variant=run.variant,
        seed=run.seed,
        epochs=run.config.train.epochs,
        size=run.config.data.size,
        samples=card["data"].get("samples", 0),
        minutes=sum(epoch.get("seconds", np.nan) for epoch in history) / 60,
        values={column.title: look_up(column, recipe, rows, history[-1]) for column in columns},
        precision=PRECISIONS[card["precision"]],
        machine=card.get("machine", ""),
    )


def look_up(column: Column, recipe: str, rows: Rows, epoch: Mapping[str, float]) -> float:
    """Return the value of a column for a run; NaN if the run has no such value.

    Args:
        column: The column.
        recipe: Recipe of the run.
        rows: Rows of the ledger of the run.
        epoch: The losses and other values of the last epoch.
    """
    if column.block == TRAINING:
        return epoch.get(column.metric, np.nan)
    return ledger_value(rows, column.block, column.signal.format(recipe=recipe), column.metric)


def base_config(run: Path, root: Path | None = None, cache: Path | None = None) -> TrainedConfig:
    """Return the settings of a run, without `train.start`: variants start from random weights.

    Args:
        run: Run folder.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The model has no deformation.
    """
    config = with_data(read_config(run), root, cache)
    return replace(config, train=replace(config.train, start=None))


def with_data(config: Config, root: Path | None, cache: Path | None) -> TrainedConfig:
    """Return settings with other folders for data and cache. None keeps the folder.

    Raises:
        DmadError: The settings are those of a bank of patches, which has no deformation.
    """
    if not isinstance(config, TrainedConfig):
        raise DmadError(f"recipe {config.recipe} has no deformation; give one of video or images")
    return replace(config, data=with_locations(config.data, root, cache))
