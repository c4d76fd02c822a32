"""`dmad evaluate`."""

from __future__ import annotations

from pathlib import Path

from dmad.cli.ledger import print_ledger
from dmad.cli.options import AS_IN_TRAINING, DataFolders
from dmad.console import show_table
from dmad.errors import require


def evaluate_command(run: str, data: DataFolders = AS_IN_TRAINING, out: Path | None = None) -> None:
    """Score labelled test data, print the results and write a report.

    The command writes a report (report.html), the table of results (ledger.json and
    ledger.md) and the scores (scores.npz). If you trained several categories with one
    command, as `dmad train mvtec` does, RUN is the folder that contains their runs. The
    command then prints a table of all categories. It does not repeat evaluations that are
    newer than the model and its threshold. With --data.root, it repeats all evaluations.

    Example: dmad evaluate runs/ped2/20260101-120000-000

    Args:
        run: Run folder of `dmad train`, folder of an export, .safetensors file, or name of a model
            that comes with dmad, such as ped2.
        data: Where the data set is.
        out: Folder to write to. You must give it if RUN is not a folder, and you cannot give it if
            RUN contains several categories (default: RUN/evaluation).
    """
    from dmad import api, categories

    if Path(run).is_dir() and categories.has_category_runs(Path(run)):
        require(out is None, "--out is for a single run; categories are written to their own runs")
        for table in categories.evaluate_categories(Path(run), data.root, data.cache):
            show_table(table.title, table.columns, table.rows, table.notes)
    else:
        print_ledger(api.evaluate(run, data.root, data.cache, out).ledger)
