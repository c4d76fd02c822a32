"""Many categories in one command: a run each, one table, and the averages of Tables 2 and 3."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dmad.config import Config, changed
from dmad.data.layouts.images import chosen
from dmad.data.splits import needed_root
from dmad.errors import DmadError, StoppedError, require
from dmad.evaluation.image_ledger import LARGER
from dmad.evaluation.summary import Block
from dmad.evaluation.tables import READ_IMAGES, markdown_table, show_block
from dmad.files import make_folder, write_whole
from dmad.forms.images.evaluation import IMAGE_RAW
from dmad.forms.video.evaluation import evaluate
from dmad.runs import Run, has_model, new_run, read_config
from dmad.thresholds import complete

logger = logging.getLogger(__name__)

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")

SHOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "paper": {LARGER: ("image_AUROC", "pixel_AUROC", "AUPRO")},
    "deployable": {
        IMAGE_RAW: ("image_AUROC", "pixel_AUROC", "AUPRO"),
        "at 1 %": ("recall", "false_positive_rate"),
    },
}

Rows = list[dict[str, Any]]  # of a `ledger.json`


def asked(config: Config) -> list[str]:
    """The categories these settings ask for; none where the data has none."""
    if config.data.layout != "mvtec":
        return []
    return chosen(config.data, needed_root(config.data))


def of_one(config: Config, name: str) -> Config:
    """The settings of one category."""
    return changed(config, categories=name)


def holds_categories(folder: Path) -> bool:
    """Whether a folder holds a run a category."""
    whole = Run(folder).config.exists() and not Run(folder).checkpoint.parent.exists()
    return whole and any(Run(path).config.exists() for path in folder.iterdir() if path.is_dir())


def train_each(config: Config, names: list[str], out: Path, resume: Path | None = None) -> Path:
    """Train a model a category and set its threshold; what is done is left as it is.

    Args:
        config: Settings of all of them.
        names: The categories.
        out: Folder under which the folder of all is made.
        resume: That folder, to go on with.

    Returns:
        The folder of all, in which each category has its run.

    Raises:
        DmadError: A category cannot be trained; the others are.
    """
    folder, failed = resume or new_run(config, out).folder, []
    for name in names:
        if not has_model(folder / name):
            logger.info(f"category {name}")
        try:
            complete(of_one(config, name), folder / name)
        except StoppedError as error:
            raise StoppedError(f"stopped; go on with: dmad train --resume {folder}") from error
        except DmadError as error:
            failed.append(name)
            logger.warning(f"skipped: {name}: {error}")
    left = f"{len(failed)} of {len(names)} categories were not trained: {', '.join(failed)}"
    require(not failed, f"{left}; go on with: dmad train --resume {folder}")
    return folder


def evaluate_each(folder: Path, root: Path | None = None, cache: Path | None = None) -> list[Block]:
    """Judge every category that is trained and not yet judged, and write one table of all.

    Args:
        folder: What `train_each` made.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.

    Returns:
        The table of each block, also in `evaluation/categories.md` and `.json`.

    Raises:
        DmadError: No category is trained, or none can be judged.
    """
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and has_model(path))
    require(bool(runs), f"no category of {folder} is trained; dmad train --resume {folder}")
    found: dict[str, Rows] = {}
    for run in runs:
        ledger = Run(run).evaluation / "ledger.json"
        old = not ledger.exists() or ledger.stat().st_mtime < Run(run).card.stat().st_mtime
        try:
            if old or root:
                logger.info(f"category {run.name}")
                evaluate(run, root, cache)
            found[run.name] = json.loads(ledger.read_text())["rows"]
        except DmadError as error:
            logger.warning(f"skipped: {run.name}: {error}")
    require(bool(found), f"none of {len(runs)} categories could be judged")
    tables = [table(block, found) for block in SHOWN]
    write(folder, found, tables)
    return tables


def table(block: str, found: Mapping[str, Rows]) -> Block:
    """One block of all categories, with the averages of textures, objects and all."""
    columns = [(signal, metric) for signal, metrics in SHOWN[block].items() for metric in metrics]
    values = {
        name: [value(rows, block, *column) for column in columns] for name, rows in found.items()
    }
    groups = {
        "textures": [name for name in found if name in TEXTURES],
        "objects": [name for name in found if name not in TEXTURES],
        "all": list(found),
    }
    for group, names in groups.items():
        if len(names) > 1:
            values[f"mean of {group}"] = list(np.mean([values[name] for name in names], axis=0))
    lines = [[name, *(f"{figure:.4f}" for figure in row)] for name, row in values.items()]
    titles = {"recall": "recall at 1 %", "false_positive_rate": "false positives at 1 %"}
    heads = [titles.get(metric, metric.replace("_", " ")) for _, metric in columns]
    return Block(block, READ_IMAGES[block], ["category", *heads], lines)


def value(rows: Rows, block: str, signal: str, metric: str) -> float:
    """A figure of a ledger; NaN where it has none."""
    key = (block, signal, metric)
    named = (row["value"] for row in rows if (row["block"], row["signal"], row["metric"]) == key)
    return float(next(named, np.nan))


def write(folder: Path, found: Mapping[str, Rows], tables: list[Block]) -> None:
    """The tables as Markdown, and all ledgers as JSON."""
    out = Run(folder).evaluation
    make_folder(out)
    title = f"{read_config(folder).recipe}: {len(found)} categories"
    page = "\n\n".join([f"# {title}", *(markdown_table(block) for block in tables)])
    write_whole(out / "categories.md", page + "\n")
    write_whole(out / "categories.json", json.dumps(found, indent=1))


def show(tables: list[Block]) -> None:
    """Print the tables."""
    for block in tables:
        show_block(block)
