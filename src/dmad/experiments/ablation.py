"""Image ablations: reverse distillation, PPDM and its parts, and γ₃ of Table 5; resumable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dmad.categories import finished, value
from dmad.config import Config, require
from dmad.evaluation.images import LARGER
from dmad.evaluation.show import markdown_table, show_block
from dmad.inspection import IMAGE_RAW
from dmad.judge import evaluate
from dmad.report.contents import Block
from dmad.runs import Run, find_model, read_card, read_config, start, write_whole
from dmad.thresholds import calibrate, choose_alpha
from dmad.training import train

GAMMA3 = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # of Table 5
METRICS = ("image_AUROC", "pixel_AUROC", "AUPRO")
READ = "Deployable (α from good images alone), and in brackets the larger of the paper's two."


def parts(base: Config) -> dict[str, Config]:
    """RD, + PPDM, − cycle, − VQ."""
    loss, model = base.loss, base.model
    return {
        "RD": replace(base, model=replace(model, reductions=(), displacements=())),
        "+ PPDM": base,
        "- cycle": replace(base, loss=replace(loss, gamma3=0.0)),
        "- VQ": replace(base, model=replace(model, memory=False)),
        "RD - VQ": replace(
            base, model=replace(model, reductions=(), displacements=(), memory=False)
        ),
    }


def gamma3(base: Config) -> dict[str, Config]:
    """A weight of the cycle consistency each."""
    return {f"{g:g}": replace(base, loss=replace(base.loss, gamma3=g)) for g in GAMMA3}


VARIANTS = {"ablation": parts, "gamma3": gamma3}


def ablation(name: str, run: Path, out: Path, epochs: int | None = None) -> Block:
    """Train and judge every variant of an image run's settings, and print one table.

    Args:
        name: `ablation` or `gamma3`.
        run: Run folder whose settings are varied.
        out: Folder for the variants; what lies there already is not done again.
        epochs: Passes over the data; those of the run where None.

    Raises:
        DmadError: The run is none of images, or a variant cannot be trained.
    """
    base = read_config(run)
    require(
        bool(base.model.teacher and base.model.reductions),
        f"{run} is no image run with deformation; train one with recipe mvtec or images",
    )
    base = replace(base, train=replace(base.train, epochs=epochs or base.train.epochs))
    variants = VARIANTS[name](base)
    table = tabulate(name, {title: judged(c, out / title) for title, c in variants.items()})
    show_block(table)
    write_whole(out / f"{name}.md", markdown_table(table) + "\n")
    return table


def judged(config: Config, folder: Path) -> list[dict[str, Any]]:
    """The rows of a variant's ledger, from disk where it was judged before."""
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
        choose_alpha(folder)
        calibrate(folder)
    ledger = run.evaluation / "ledger.json"
    if not ledger.exists():
        evaluate(folder)
    rows: list[dict[str, Any]] = json.loads(ledger.read_text())["rows"]
    return rows


def tabulate(name: str, found: Mapping[str, list[dict[str, Any]]]) -> Block:
    """A line a variant; the last column is the mean of image and pixel AUROC."""
    lines = []
    for title, rows in found.items():
        ours = [value(rows, "deployable", IMAGE_RAW, metric) for metric in METRICS]
        theirs = [value(rows, "paper", LARGER, metric) for metric in METRICS]
        pairs = zip([*ours, np.mean(ours[:2])], [*theirs, np.mean(theirs[:2])], strict=True)
        lines.append([title, *(f"{a:.4f} ({b:.4f})" for a, b in pairs)])
    heads = ["variant", "image AUROC", "pixel AUROC", "AUPRO", "mean AUROC"]
    return Block(name, READ, heads, lines)
