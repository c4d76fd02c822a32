"""Train and evaluate several categories of images: one run for each category, and one table.

The last rows of the table are averages over categories, as in Tables 2 and 3 of the paper.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dmad.api import complete, evaluate
from dmad.config import AnyConfig, Config, changed
from dmad.data.layouts.images import chosen_categories
from dmad.data.locations import required_root
from dmad.errors import DmadError, StoppedError, require
from dmad.evaluation.image_ledger import LARGER_OF_BOTH
from dmad.evaluation.ledger_file import read_rows
from dmad.evaluation.ledger_tables import HOW_TO_READ_IMAGES
from dmad.evaluation.table import Table
from dmad.files import make_folder, write_atomically
from dmad.forms.images.evaluation import DISTANCE, RAW
from dmad.runs import Run, has_model, new_run, read_config

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")
# The metrics in the tables, by the block and the signal (name of the scores) in the ledger.
SHOWN_METRICS: dict[str, dict[str, tuple[str, ...]]] = {
    "paper": {LARGER_OF_BOTH: ("image_AUROC", "pixel_AUROC", "AUPRO")},
    "deployable": {
        RAW: ("image_AUROC", "pixel_AUROC", "AUPRO"),
        DISTANCE: ("image_AUROC", "pixel_AUROC", "AUPRO"),
        "at 1 %": ("recall", "false_positive_rate"),
    },
}
TITLES = {"recall": "recall at 1 %", "false_positive_rate": "false positives at 1 %"}
LedgerRows = list[dict[str, Any]]  # as `ledger.json` holds them

logger = logging.getLogger(__name__)


def categories_of(config: Config) -> list[str]:
    """Return the categories that the settings select; empty if the data has no categories."""
    if config.data.layout != "mvtec":
        return []
    return chosen_categories(config.data, required_root(config.data))


def config_of_category(config: AnyConfig, name: str) -> AnyConfig:
    """Return the settings for one category."""
    return changed(config, categories=name)


def has_category_runs(folder: Path) -> bool:
    """Return True if a folder holds the runs of several categories."""
    run_of_all = Run(folder).config.exists() and not Run(folder).checkpoint.parent.exists()
    inner = (path for path in folder.iterdir() if path.is_dir()) if run_of_all else ()
    return any(Run(path).config.exists() for path in inner)


def train_categories(
    config: Config, names: list[str], out: Path, resume: Path | None = None
) -> Path:
    """Train a model for each category and set its threshold. Finished runs are not repeated.

    Args:
        config: Settings for all categories.
        names: The categories.
        out: Folder under which a new folder for the runs is made.
        resume: Folder that an earlier call made. Its trainings are continued.

    Returns:
        The folder that holds a run for each category.

    Raises:
        DmadError: A category cannot be trained. The error is raised after all other categories are
            trained.
    """
    folder, failed = resume or new_run(config, out).folder, []
    for name in names:
        if not has_model(folder / name):
            logger.info("category %s", name)
        try:
            complete(config_of_category(config, name), folder / name)
        except StoppedError as error:
            raise StoppedError(f"stopped; resume with: dmad train --resume {folder}") from error
        except DmadError as error:
            failed.append(name)
            logger.warning("category %s skipped: %s", name, error)
    require(
        not failed,
        f"{len(failed)} of {len(names)} categories were not trained: {', '.join(failed)}; "
        f"try again with: dmad train --resume {folder}",
    )
    return folder


def evaluate_categories(
    folder: Path, root: Path | None = None, cache: Path | None = None
) -> list[Table]:
    """Evaluate trained categories, and write tables of all categories.

    A category is not evaluated again if its evaluation is newer than its model and threshold.

    Args:
        folder: The folder that `train_categories` returned.
        root: Folder of the data set. If it is given, all categories are evaluated again. None: the
            same folder as in training.
        cache: Folder for decoded images. None: the same folder as in training.

    Returns:
        The tables `paper` (only for PDM and PPDM, the models of the paper) and `deployable`. They
        are written to `evaluation/categories.md`, and all results to `evaluation/categories.json`.

    Raises:
        DmadError: No category is trained, or no category can be evaluated.
    """
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and has_model(path))
    require(bool(runs), f"no category of {folder} is trained; run dmad train --resume {folder}")
    ledgers: dict[str, LedgerRows] = {}
    for run in runs:
        ledger = Run(run).evaluation / "ledger.json"
        try:
            if root or _is_outdated(ledger, Run(run).card):
                logger.info("category %s", run.name)
                evaluate(run, root, cache)
            ledgers[run.name] = rows_of_run(run)
        except DmadError as error:
            logger.warning("category %s skipped: %s", run.name, error)
    require(bool(ledgers), f"none of {len(runs)} categories could be evaluated")
    blocks = {str(row["block"]) for rows in ledgers.values() for row in rows}
    tables = [table_of_block(block, ledgers) for block in SHOWN_METRICS if block in blocks]
    _write(folder, ledgers, tables)
    return tables


def rows_of_run(run: Path) -> LedgerRows:
    """Return the rows of the ledger of a run.

    Earlier versions named the score of a patch bank "Eq. 22". This name is replaced.

    Raises:
        DmadError: The run has no settings, or the ledger is missing or damaged.
    """
    rows = read_rows(Run(run).evaluation / "ledger.json")
    if read_config(run).deforms:
        return rows
    return [row | {"signal": DISTANCE} if row["signal"] == RAW else row for row in rows]


def _is_outdated(ledger: Path, card: Path) -> bool:
    return not ledger.exists() or ledger.stat().st_mtime < card.stat().st_mtime


def table_of_block(block: str, ledgers: Mapping[str, LedgerRows]) -> Table:
    """Return a table with a row for each category.

    The values come from one block (part) of each ledger, such as the block `paper`.
    The last rows are the means over textures, over objects and over all categories.
    """
    signals = {row["signal"] for rows in ledgers.values() for row in rows}
    columns = [
        (signal, metric)
        for signal, metrics in SHOWN_METRICS[block].items()
        for metric in metrics
        if signal in signals
    ]
    values = {
        name: [ledger_value(rows, block, *column) for column in columns]
        for name, rows in ledgers.items()
    }
    groups = {
        "textures": [name for name in ledgers if name in TEXTURES],
        "objects": [name for name in ledgers if name not in TEXTURES],
        "all": list(ledgers),
    }
    for group, names in groups.items():
        if len(names) > 1:
            values[f"mean of {group}"] = list(np.mean([values[name] for name in names], axis=0))
    lines = [[name, *(f"{value:.4f}" for value in row)] for name, row in values.items()]
    titles = [TITLES.get(metric, metric.replace("_", " ")) for _, metric in columns]
    return Table(block, ["category", *titles], lines, [HOW_TO_READ_IMAGES[block]])


def ledger_value(rows: LedgerRows, block: str, signal: str, metric: str) -> float:
    """Return a value from the rows of a `ledger.json`; NaN if there is no such row.

    Args:
        rows: The rows.
        block: Part of the ledger, such as `paper`.
        signal: Name of the scores.
        metric: Name of the metric, such as `AUPRO`.
    """
    for row in rows:
        if (row["block"], row["signal"], row["metric"]) == (block, signal, metric):
            return float(row["value"])
    return float("nan")


def _write(folder: Path, ledgers: Mapping[str, LedgerRows], tables: list[Table]) -> None:
    out = Run(folder).evaluation
    make_folder(out)
    title = f"{read_config(folder).recipe}: {len(ledgers)} categories"
    page = "\n\n".join([f"# {title}", *(table.markdown_section() for table in tables)])
    write_atomically(out / "categories.md", page + "\n")
    write_atomically(out / "categories.json", json.dumps(ledgers, indent=1))
