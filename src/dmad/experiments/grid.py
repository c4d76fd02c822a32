"""A declared grid of runs: each trained, judged and kept once; a table of all, stopped or not.

What lies under the output folder is not done again: a stopped experiment goes on where it was.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from dmad.categories import finished, value
from dmad.config import Config, require
from dmad.data.load import load_split
from dmad.data.windows import Windows
from dmad.experiments.tables import write_table
from dmad.judge import evaluate
from dmad.runs import Run, find_model, read_card, read_config, start, write_whole
from dmad.thresholds import set_threshold
from dmad.training import train

PACE = 24  # samples by which a machine's speed is told


@dataclass(frozen=True)
class Figure:
    """A column of the table: where a ledger holds it."""

    title: str
    block: str
    signal: str
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


def run_grid(
    name: str,
    variants: Mapping[str, Config],
    figures: Sequence[Figure],
    out: Path,
    seeds: Sequence[int] = (),
    budget: float | None = None,
) -> list[Outcome]:
    """Run every variant with every seed; write `NAME.json`, `.csv` and `.md`, and print the table.

    Args:
        name: Of the experiment.
        variants: Settings by title.
        figures: What to show of each.
        out: Folder for the runs, one a variant and seed, and for the table.
        seeds: The variants' own where empty.
        budget: Seconds that training may take in all; None trains in full.

    Raises:
        DmadError: The folder holds runs of other settings, or a variant cannot be trained.
    """
    if budget is not None:
        variants = fitted(variants, budget / max(1, len(seeds)), out)
    outcomes = []
    for title, config, folder in cells(variants, seeds, out):
        Console(stderr=True).print(f"[bold]{title}[/bold], seed {config.train.seed}")
        rows = judged(config, folder)
        outcomes.append(outcome(title, config, folder, rows, figures))
        write(name, outcomes, figures, out)  # what there is, after every run
    lines = table(outcomes, figures)
    write_table(name, heads(figures), lines, out / f"{name}.md")
    return outcomes


def cells(
    variants: Mapping[str, Config], seeds: Sequence[int], out: Path
) -> Iterator[tuple[str, Config, Path]]:
    """Title, settings and folder of every run."""
    for title, config in variants.items():
        for seed in seeds or (config.train.seed,):
            seeded = replace(config, train=replace(config.train, seed=seed))
            yield title, seeded, out / title.replace("/", "-") / f"seed{seed}"


def judged(config: Config, folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's ledger, from disk where it was judged before."""
    run = Run(folder)
    if not run.config.exists():
        start(config, run)
    require(
        read_config(folder) == config,
        f"{folder} holds a run of other settings; choose another folder with --out",
    )
    if not finished(folder):
        train(config, resume=folder)
    if "calibration" not in read_card(find_model(folder)):
        set_threshold(folder)
    ledger = run.evaluation / "ledger.json"
    if not ledger.exists():
        evaluate(folder)
    rows: list[dict[str, Any]] = json.loads(ledger.read_text())["rows"]
    return rows


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
    found = {f.title: value(rows, f.block, f.signal, f.metric) for f in figures}
    train_, data = config.train, config.data
    samples = card["data"].get("samples", 0)
    return Outcome(title, train_.seed, train_.epochs, data.size, samples, minutes, found)


def samples_of(config: Config) -> int:
    """Samples of an epoch."""
    footage = load_split(config.data, "train")
    return len(Windows(footage.footage, config.data.history, limit=config.data.limit))


def seconds_a_sample(config: Config, out: Path) -> float:
    """Seconds that training takes for one sample on this machine, from a few steps."""
    few = replace(
        config,
        data=replace(config.data, limit=PACE),
        train=replace(config.train, epochs=2, batch_size=min(config.train.batch_size, PACE // 3)),
    )
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out) as folder:
        history = read_card(find_model(train(few, folder).folder))["history"]
    return float(history[-1]["seconds"]) / PACE


def fitted(variants: Mapping[str, Config], budget: float, out: Path) -> dict[str, Config]:
    """Variants with fewer epochs, and below one epoch fewer samples, so that all fit a budget.

    What the budget made of them is kept in `budget.json`, so that a restart asks for the same.

    Args:
        variants: Settings by title.
        budget: Seconds.
        out: Folder of the experiment.
    """
    kept = out / "budget.json"
    if kept.exists():
        cuts = json.loads(kept.read_text())
        require(
            list(cuts) == list(variants),
            f"{kept} was written for other variants; choose another folder with --out",
        )
    else:
        base = next(iter(variants.values()))
        samples = samples_of(base)
        costs = {title: seconds_a_sample(config, out) for title, config in variants.items()}
        full = sum(costs[t] * samples * c.train.epochs for t, c in variants.items())
        share = min(1.0, budget / full)
        cuts = {t: cut(c.train.epochs, samples, share) for t, c in variants.items()}
        write_whole(kept, json.dumps(cuts))
    return {title: shortened(config, *cuts[title]) for title, config in variants.items()}


def cut(epochs: int, samples: int, share: float) -> tuple[int, int]:
    """Epochs, and samples an epoch (0: all), for a share of a training."""
    left = share * epochs
    if left >= 1:
        return int(left), 0
    return 1, max(1, int(left * samples))


def shortened(config: Config, epochs: int, limit: int) -> Config:
    """Settings with other epochs and, but for 0, fewer samples."""
    data = replace(config.data, limit=limit) if limit else config.data
    return replace(config, data=data, train=replace(config.train, epochs=epochs))


def heads(figures: Sequence[Figure]) -> list[str]:
    """The table's columns."""
    return ["variant", "seeds", "epochs", "px", "min", *(f.title for f in figures)]


def table(outcomes: Sequence[Outcome], figures: Sequence[Figure]) -> list[list[str]]:
    """A line a variant; mean ± standard deviation where there are several seeds."""
    lines = []
    for title in dict.fromkeys(one.variant for one in outcomes):
        group = [one for one in outcomes if one.variant == title]
        seeds = ", ".join(str(one.seed) for one in group)
        minutes = float(np.mean([one.minutes for one in group]))
        found = [spread([one.figures[f.title] for one in group]) for f in figures]
        about = [title, seeds, f"{group[0].epochs}", f"{group[0].size}", f"{minutes:.1f}"]
        lines.append([*about, *found])
    return lines


def spread(values: Sequence[float]) -> str:
    """A figure, or mean ± standard deviation of several."""
    if len(values) == 1:
        return "" if np.isnan(values[0]) else f"{values[0]:.4f}"
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def write(name: str, outcomes: Sequence[Outcome], figures: Sequence[Figure], out: Path) -> None:
    """The outcomes as JSON and CSV."""
    write_whole(out / f"{name}.json", json.dumps([vars(one) for one in outcomes], indent=1))
    file = StringIO()
    lines = csv.writer(file)
    lines.writerow(["variant", "seed", "epochs", "size", "samples", "minutes",
                    *(f.title for f in figures)])  # fmt: skip
    for one in outcomes:
        plain = [one.variant, one.seed, one.epochs, one.size, one.samples, f"{one.minutes:.2f}"]
        lines.writerow([*plain, *(one.figures[f.title] for f in figures)])
    write_whole(out / f"{name}.csv", file.getvalue())
