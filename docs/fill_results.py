"""Write docs/results.md: the text in docs/results/page.md, filled with the stored results.

Run it with `make results`. The experiments write the stored results: copy their `.json` files into
docs/results.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from dmad.errors import DmadError, require
from dmad.evaluation.ledger import Row
from dmad.evaluation.ledger_tables import ledger_tables
from dmad.evaluation.table import markdown_rows
from dmad.files import write_atomically

TEMPLATE = "page.md"
FUNCTIONS = ("table", "cell", "runs", "points", "ledger", "value", "epochs")


def write_page(folder: Path) -> Path:
    """Fill the template of a folder and write the page beside it.

    `docs/results/` gives `docs/results.md`. The template `page.md` is in the Jinja language. It may
    call the methods of `StoredResults` that `FUNCTIONS` lists. Their first argument is always the
    name of a `.json` file in the folder, or its path from there, without the suffix.

    Returns:
        The path of the page.

    Raises:
        DmadError: There is no template, or a result, row or column that it names does not exist.
    """
    exists = (folder / TEMPLATE).exists()
    require(exists, f"{folder} holds no {TEMPLATE}; give the folder docs/results")
    path = folder.with_suffix(".md")
    write_atomically(path, fill_template(folder))
    return path


def fill_template(folder: Path) -> str:
    """The text of the page.

    Raises:
        DmadError: As `write_page`.
    """
    templates = Environment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True
    )
    results = StoredResults(folder)
    for name in FUNCTIONS:
        templates.globals[name] = getattr(results, name)
    try:
        return templates.get_template(TEMPLATE).render()
    except TemplateError as error:
        raise DmadError(f"{folder / TEMPLATE}: {error}") from error


class StoredResults:
    """The results in a folder, as Markdown.

    Args:
        folder: A folder of `.json` files as the experiments and the model cards write them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read = cache(self._read)

    def table(self, name: str) -> str:
        """A whole table, its notes, and the machine: `table("ablation")`."""
        stored = self.read(name)
        paragraphs = [markdown_rows(stored["names"], stored["lines"]), *stored.get("notes", ())]
        if stored.get("machine"):
            paragraphs.append(f"*{stored['machine']}*")
        return "\n\n".join(paragraphs)

    def cell(self, name: str, row: str, column: str) -> str:
        """One cell of a table: `cell("ablation", "full", "Eq. 14 raw")`.

        Args:
            name: The table.
            row: The first cells of the row, separated by ", ": as many as tell it from the others.
            column: The name of the column.
        """
        return str(self._row(name, row)[self._column(name, column)])

    def _row(self, name: str, row: str) -> list[str]:
        rows: list[list[str]] = self.read(name)["lines"]
        matching = [cells for cells in rows if f"{', '.join(cells)}, ".startswith(f"{row}, ")]
        require(len(matching) == 1, f"{name} has {len(matching)} rows {row!r} among {rows}")
        return matching[0]

    def _column(self, name: str, column: str) -> int:
        columns: list[str] = self.read(name)["names"]
        require(column in columns, f"{name} has no column {column!r}: {columns}")
        return columns.index(column)

    def runs(self, name: str, variant: str) -> str:
        """The results of one variant of a grid, a row for each seed: `runs("ablation", "full")`."""
        outcomes = self._outcomes(name, variant)
        columns = ["seed", "min", *outcomes[0]["figures"]]
        rows = []
        for outcome in outcomes:
            results = [format_number(value) for value in outcome["figures"].values()]
            rows.append([f"{outcome['seed']}", f"{outcome['minutes']:.1f}", *results])
        return markdown_rows(columns, rows)

    def points(self, name: str, variant: str, other: str, column: str) -> str:
        """How many hundredths of a result a variant has more than another one, such as "-2.1".

        The mean over the seeds that both have: `points("ablation", "- PDM", "full", "published")`.
        """
        first, second = (
            {outcome["seed"]: outcome["figures"][column] for outcome in self._outcomes(name, which)}
            for which in (variant, other)
        )
        shared = sorted(set(first) & set(second))
        require(bool(shared), f"{name}: {variant!r} and {other!r} have no seed in common")
        return f"{100 * fmean(first[seed] - second[seed] for seed in shared):+.1f}"

    def _outcomes(self, name: str, variant: str) -> list[dict[str, Any]]:
        outcomes: list[dict[str, Any]] = self.read(name)["outcomes"]
        matching = [outcome for outcome in outcomes if outcome["variant"] == variant]
        require(bool(matching), f"{name} has no run of {variant!r}")
        return matching

    def ledger(self, name: str, block: str, metrics: Sequence[str] = ()) -> str:
        """A block of a ledger or of a model card: `ledger("ped2", "deployable", ["AP"])`.

        Args:
            name: The ledger or the card.
            block: The name of the block.
            metrics: The metrics to show; all if empty.
        """
        rows = self._ledger_rows(name, block)
        if metrics:
            rows = [row for row in rows if row.metric in metrics]
        require(bool(rows), f"{name} has no block {block!r} with such metrics")
        (only,) = ledger_tables(rows)
        table = markdown_rows(only.columns, only.rows)
        notes = "; ".join(dict.fromkeys(row.note for row in rows if row.note))
        return f"{table}\n\n{notes}." if notes else table

    def value(self, name: str, block: str, signal: str) -> str:
        """One micro AUROC of a ledger: `value("ped2", "deployable", "Eq. 14 raw")`."""
        rows = [row for row in self._ledger_rows(name, block) if row.metric == "micro_AUROC"]
        values = {row.signal: row.value for row in rows}
        require(signal in values, f"{name} has no {signal!r} in block {block!r}: {list(values)}")
        return format_number(values[signal])

    def _ledger_rows(self, name: str, block: str) -> list[Row]:
        stored = self.read(name)
        ledger = stored.get("ledger", stored)
        return [Row(**row) for row in ledger["rows"] if row["block"] == block]

    def epochs(self, name: str, curves: Sequence[str]) -> str:
        """The training curves of a model card: `epochs("ped2", ["total", "perplexity"])`."""
        rows = []
        for epoch in self.read(name)["history"]:
            rows.append([f"{epoch['epoch']:.0f}", *(format_number(epoch[c]) for c in curves)])
        return markdown_rows(["epoch", *curves], rows)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / f"{name}.json"
        advice = "run the experiment and copy its .json file there"
        require(path.exists(), f"{path} does not exist; {advice}")
        stored: dict[str, Any] = json.loads(path.read_text())
        return stored


def format_number(value: float | None) -> str:
    """A result with four decimals; empty if there is none."""
    return "" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    try:
        print(write_page(Path(sys.argv[1])))
    except DmadError as error:
        sys.exit(str(error))
