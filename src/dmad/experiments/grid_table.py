"""The table of a grid: a row for each variant, with mean and standard deviation over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.evaluation.table import Table
from dmad.experiments.grid import Grid, Outcome
from dmad.experiments.tables import write_table
from dmad.files import csv_text, write_atomically

RUN_COLUMNS = ("variant", "seeds", "epochs", "samples", "px", "precision", "min")


def write_grid_table(grid: Grid, outcomes: Sequence[Outcome], out: Path) -> Table:
    """Write the table of a grid as Markdown and JSON, and its runs as CSV; return the table."""
    table = grid_table(grid, outcomes)
    machines = "; ".join(dict.fromkeys(one.machine for one in outcomes))
    stored = [one.as_json() for one in outcomes]
    write_table(table, out / grid.name, machine=machines, outcomes=stored)
    names = ["variant", "seed", "epochs", "size", "samples", "precision", "minutes", *grid.titles]
    rows = [
        [
            *(one.variant, one.seed, one.epochs, one.size, one.samples, one.precision),
            f"{one.minutes:.2f}",
            *(one.values[title] for title in grid.titles),
        ]
        for one in outcomes
    ]
    write_atomically(out / f"{grid.name}.csv", csv_text(names, rows))
    return table


def grid_table(grid: Grid, outcomes: Sequence[Outcome]) -> Table:
    """Return the table of a grid: rows of variants, then rows with means over variants."""
    groups: dict[str, list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault(one.variant, []).append(one)
    rows = [variant_row(grid, group) for group in groups.values()]
    for title, members in grid.means.items():
        rows += mean_rows(grid, title, members, groups)
    empty = [""] * len(grid.paper_columns)
    rows = [[*row, *grid.paper_rows.get(row[0], empty)] for row in rows]
    columns = [*RUN_COLUMNS, *grid.titles, *grid.paper_columns]
    return Table(grid.name, columns, rows, grid.notes)


def variant_row(grid: Grid, group: Sequence[Outcome]) -> list[str]:
    """Return the row of a variant, from its outcomes with each seed."""
    first = group[0]
    minutes = np.mean([one.minutes for one in group])
    return [
        first.variant,
        join_distinct(one.seed for one in group),
        str(first.epochs),
        join_distinct(one.samples for one in group),
        str(first.size),
        join_distinct(one.precision for one in group),
        f"{minutes:.1f}",
        *result_cells(grid, group),
    ]


def mean_rows(
    grid: Grid, title: str, members: Sequence[str], groups: Mapping[str, Sequence[Outcome]]
) -> list[list[str]]:
    """Return a list with one row: the mean over some variants.

    Variants that were not trained are left out, and the title then says how many were trained. Only
    seeds are used with which all trained variants were trained. The list is empty if no variant was
    trained, or if there is no such seed.

    Args:
        grid: The grid.
        title: Title of the row.
        members: Names of the variants.
        groups: Outcomes of each variant that was trained, by its name.
    """
    present = [{one.seed: one for one in groups[name]} for name in members if name in groups]
    if not present:
        return []
    shared = [seed for seed in present[0] if all(seed in by_seed for by_seed in present)]
    if not shared:
        return []
    if len(present) < len(members):
        title = f"{title} ({len(present)} of {len(members)})"
    means = [mean_outcome([by_seed[seed] for by_seed in present]) for seed in shared]
    unknown = [""] * (len(RUN_COLUMNS) - 2)
    return [[title, join_distinct(shared), *unknown, *result_cells(grid, means)]]


def mean_outcome(group: Sequence[Outcome]) -> Outcome:
    """Return an outcome with the mean values of several outcomes."""
    titles = group[0].values
    means = {title: float(np.mean([one.values[title] for one in group])) for title in titles}
    return replace(group[0], values=means)


def join_distinct(items: Iterable[object]) -> str:
    """Return the items as text, separated by commas. Equal items appear once."""
    return ", ".join(dict.fromkeys(str(item) for item in items))


def result_cells(grid: Grid, group: Sequence[Outcome]) -> list[str]:
    """Return the cells of a row that hold results."""
    return [format_values([one.values[title] for one in group]) for title in grid.titles]


def format_values(values: Sequence[float]) -> str:
    """Return one value, or mean ± standard deviation of several, as text; "" if one is NaN."""
    if any(np.isnan(values)):
        return ""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
