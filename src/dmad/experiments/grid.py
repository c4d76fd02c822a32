"""A declared grid of runs: each trained, judged and kept once; a table and a figure of all.

What lies under the output folder is not done again: a stopped experiment goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dmad.categories import value
from dmad.config import Config
from dmad.data.splits import lying
from dmad.errors import require
from dmad.experiments.drawing import draw
from dmad.experiments.effort import Effort, Variants
from dmad.experiments.tables import Table
from dmad.experiments.workers import each
from dmad.files import write_whole
from dmad.forms.video.evaluation import evaluate
from dmad.predict.tables import as_csv
from dmad.runs import Run, find_model, read_card, read_config
from dmad.thresholds import complete

PRECISIONS = {"bf16-mixed": "bf16", "32-true": "fp32"}  # as a model's card calls them


@dataclass(frozen=True)
class Figure:
    """A column of the table: where a ledger holds it, or the last epoch's curves do."""

    title: str
    block: str  # "training" for a curve, of the name of the metric
    signal: str  # {recipe} stands for the run's
    metric: str


@dataclass(frozen=True)
class Outcome:
    """One finished run of a grid."""

    variant: str
    seed: int
    epochs: int
    size: int  # pixels
    samples: int  # trained on in an epoch
    minutes: float  # of training
    figures: dict[str, float]  # by title; NaN where the ledger has none
    precision: str = ""  # trained in
    machine: str = ""  # trained on


@dataclass(frozen=True)
class Grid:
    """What an experiment runs, and what its table shows.

    Args:
        name: Of the experiment, and of its files.
        variants: Settings by title.
        figures: What to show of each.
        means: Variants whose mean is a line of its own, by its title.
        paper: Heads of columns that hold the paper's figures.
        published: Those figures by line; empty cells where there are none.
        missing: What of the paper's table is not run, and why; a line each below the table.
    """

    name: str
    variants: Variants
    figures: Sequence[Figure]
    means: Mapping[str, Sequence[str]] = field(default_factory=dict)
    paper: Sequence[str] = ()
    published: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Sequence[str] = ()


def run_grid(grid: Grid, out: Path, effort: Effort) -> list[Outcome]:
    """Run every variant with every seed; print the table, and write it with its figure.

    Args:
        grid: What to run and to show.
        out: Folder for the runs, one a variant and seed, and for `NAME.json`, `.csv`, `.md`,
            `.png` and `.pdf`. Outcomes that lie there from an earlier call stay in the table.
        effort: How much of it.

    Raises:
        DmadError: The folder holds runs of other settings, or a variant cannot be trained.
    """
    variants = effort.variants(grid.variants, out)
    cells = list(effort.cells(variants, out))
    kept = {(one.variant, one.seed): one for one in outcomes_in(out / f"{grid.name}.json")}
    declared = replace(effort, only=(), budget=None).variants(grid.variants, out)
    asked = variants if effort.budget else declared  # a budget's cuts are of those run alone
    for one in kept.values():
        lacking = [figure.title for figure in grid.figures if figure.title not in one.figures]
        require(not lacking, f"{out} holds {one.variant!r} without {lacking}; choose another --out")
        same_effort(one, asked.get(one.variant), out)
    earlier = replace(effort, seeds=sorted({seed for _, seed in kept}))
    for title, config, folder in earlier.cells(asked, out):
        if (title, config.train.seed) in kept and Run(folder).config.exists():
            same_settings(config, folder)  # or the line would be the mean of different things
    for (title, config, folder), rows in each(judged, cells, effort.ray):
        before = kept.get((title, config.train.seed))
        found = outcome(title, config, folder, rows, grid.figures)
        machine = found.machine or (before.machine if before else "")
        kept[title, config.train.seed] = replace(found, machine=machine)
        outcomes = in_order(kept.values(), grid.variants)
        drawn_up = write(grid, outcomes, out)  # what there is, after every run
    drawn_up.show()
    draw(outcomes, [figure.title for figure in grid.figures], out / grid.name)
    return outcomes


def base_of(run: Path, root: Path | None = None, cache: Path | None = None) -> Config:
    """Settings of a run, to be varied: data where they lie now, weights from scratch.

    Args:
        run: Run folder.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
    """
    config = read_config(run)
    return placed(replace(config, train=replace(config.train, start=None)), root, cache)


def placed(config: Config, root: Path | None, cache: Path | None) -> Config:
    """Settings with their data elsewhere, where that is said."""
    return replace(config, data=lying(config.data, root, cache))


def judged(config: Config, folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's ledger, from disk where it was judged before."""
    run = Run(folder)
    if run.config.exists():
        same_settings(config, folder)
    complete(config, folder)
    ledger = run.evaluation / "ledger.json"
    if not ledger.exists():
        evaluate(folder)
    rows: list[dict[str, Any]] = json.loads(ledger.read_text())["rows"]
    return rows


def same_effort(kept: Outcome, config: Config | None, out: Path) -> None:
    """Check that an outcome in a folder is of a training as long and as large, where one is."""
    if config is None:
        return
    epochs, size = config.train.epochs, config.data.size
    require(
        (epochs, size) == (kept.epochs, kept.size),
        f"{out} holds {kept.variant!r} of {kept.epochs} epochs at {kept.size} px, not {epochs} at "
        f"{size}; choose another folder with --out",
    )


def same_settings(config: Config, folder: Path) -> None:
    """Check that a folder's run has these settings."""
    require(
        read_config(folder) == config,
        f"{folder} holds a run of other settings; choose another folder with --out",
    )


def outcome(
    title: str,
    config: Config,
    folder: Path,
    rows: list[dict[str, Any]],
    figures: Sequence[Figure],
) -> Outcome:
    """What the table says of a run."""
    card = read_card(find_model(folder))
    minutes = sum(epoch.get("seconds", np.nan) for epoch in card["history"]) / 60
    found = {f.title: look_up(f, config.recipe, rows, card["history"][-1]) for f in figures}
    return Outcome(
        title,
        config.train.seed,
        config.train.epochs,
        config.data.size,
        card["data"].get("samples", 0),
        minutes,
        found,
        PRECISIONS[card["precision"]],
        card.get("machine", ""),
    )


def look_up(
    figure: Figure, recipe: str, rows: list[dict[str, Any]], epoch: Mapping[str, float]
) -> float:
    """One figure of a run; NaN where there is none."""
    if figure.block == "training":
        return epoch.get(figure.metric, np.nan)
    return value(rows, figure.block, figure.signal.format(recipe=recipe), figure.metric)


def outcomes_in(path: Path) -> list[Outcome]:
    """The outcomes of an earlier call, where there was one."""
    if not path.exists():
        return []
    stored = json.loads(path.read_text())["outcomes"]
    return [Outcome(**one | {"figures": numbers(one["figures"])}) for one in stored]


def numbers(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Figures as stored, NaN where there is none."""
    return {title: np.nan if value is None else value for title, value in figures.items()}


def in_order(outcomes: Iterable[Outcome], variants: Variants) -> list[Outcome]:
    """As the variants were declared, by seed."""
    rank = {title: i for i, title in enumerate(variants)}
    return sorted(outcomes, key=lambda one: (rank.get(one.variant, len(rank)), one.seed))


def heads(grid: Grid) -> list[str]:
    """The table's columns."""
    run = ["variant", "seeds", "epochs", "samples", "px", "precision", "min"]
    return [*run, *(figure.title for figure in grid.figures), *grid.paper]


def table(outcomes: Sequence[Outcome], grid: Grid) -> list[list[str]]:
    """A line a variant, mean ± standard deviation where there are several seeds; then the means."""
    groups = {
        title: [one for one in outcomes if one.variant == title]
        for title in dict.fromkeys(one.variant for one in outcomes)
    }
    lines = [[title, *about(group), *spreads(group, grid)] for title, group in groups.items()]
    for title, members in grid.means.items():
        present = [{one.seed: one for one in groups[name]} for name in members if name in groups]
        shared = [seed for seed in (present or [{}])[0] if all(seed in one for one in present)]
        if shared:
            by_seed = [mean([one[seed] for one in present]) for seed in shared]
            part = f" ({len(present)} of {len(members)})" * (len(present) < len(members))
            seeds = ", ".join(map(str, shared))
            lines.append([f"{title}{part}", seeds, *[""] * 5, *spreads(by_seed, grid)])
    empty = [""] * len(grid.paper)
    return [[*line, *grid.published.get(line[0], empty)] for line in lines]


def about(group: Sequence[Outcome]) -> list[str]:
    """Seeds, epochs, samples, pixels, precisions and mean minutes of one variant."""
    first, minutes = group[0], float(np.mean([one.minutes for one in group]))
    seeds, samples, precisions = (
        ", ".join(dict.fromkeys(f"{cell}" for cell in cells))
        for cells in zip(*((one.seed, one.samples, one.precision) for one in group), strict=True)
    )
    return [seeds, f"{first.epochs}", samples, f"{first.size}", precisions, f"{minutes:.1f}"]


def mean(group: list[Outcome]) -> Outcome:
    """The mean figures of some outcomes."""
    figures = {
        title: float(np.mean([one.figures[title] for one in group])) for title in group[0].figures
    }
    return replace(group[0], figures=figures)


def spreads(group: Sequence[Outcome], grid: Grid) -> list[str]:
    """The cells of one line's figures."""
    return [spread([one.figures[figure.title] for one in group]) for figure in grid.figures]


def spread(values: Sequence[float]) -> str:
    """A figure, or mean ± standard deviation of several; nothing where one is lacking."""
    if len(values) == 1 or any(np.isnan(values)):
        return figure(float(np.mean(values)))
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def figure(value: float) -> str:
    """One figure; nothing where there is none."""
    return "" if np.isnan(value) else f"{value:.4f}"


def write(grid: Grid, outcomes: Sequence[Outcome], out: Path) -> Table:
    """The table as Markdown and JSON, and a line a run as CSV."""
    found = Table(grid.name, heads(grid), table(outcomes, grid), grid.missing)
    machines = "; ".join(dict.fromkeys(one.machine for one in outcomes))
    found.write(out / grid.name, machine=machines, outcomes=[vars(one) for one in outcomes])
    titles = [figure.title for figure in grid.figures]
    names = ["variant", "seed", "epochs", "size", "samples", "precision", "minutes", *titles]
    lines = (
        [one.variant, one.seed, one.epochs, one.size, one.samples, one.precision,
         f"{one.minutes:.2f}", *(one.figures[title] for title in titles)]
        for one in outcomes
    )  # fmt: skip
    write_whole(out / f"{grid.name}.csv", as_csv(names, lines))
    return found
