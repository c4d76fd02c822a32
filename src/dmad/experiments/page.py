"""The page of results: a text with places for figures, filled from what the commands stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from dmad.errors import DmadError, require
from dmad.evaluation.ledger import Row
from dmad.evaluation.tables import blocks, markdown_lines
from dmad.experiments.grid import figure, numbers
from dmad.files import write_whole

TEXT = "page.md"


def page(stored: Path) -> Path:
    """Fill a text in and write it beside its folder: `docs/results/` gives `docs/results.md`.

    The text is `page.md` in the folder, a Jinja template that may call

    - `table("ablation")`: a stored table, its notes, and on what it was run,
    - `cell("ablation", "full", "Eq. 14 raw")`: one figure of it,
    - `runs("ablation", "full")`: a line a seed of one variant of a grid,
    - `points("ablation", "- PDM", "full", "published")`: how many points of a figure a variant of a
      grid has more than another, mean over the seeds that both have,
    - `ledger("ped2", "deployable")`: a block of a stored ledger, or of a model's card, whole or of
      some metrics,
    - `value("ped2", "deployable", "Eq. 14 raw")`: one micro AUROC of such a ledger,
    - `epochs("ped2", ["total", "perplexity"])`: the curves of a model's card,

    with the names of the folder's `.json` files, or paths from it.

    Args:
        stored: The folder.

    Returns:
        The page.

    Raises:
        DmadError: No such text or stored result, or it has no such line or column.
    """
    require((stored / TEXT).exists(), f"{stored} holds no {TEXT}; see docs/results for one")
    path = stored.with_suffix(".md")
    write_whole(path, filled(stored))
    return path


def filled(stored: Path) -> str:
    """The text of the page."""
    texts = Environment(
        loader=FileSystemLoader(stored), undefined=StrictUndefined, keep_trailing_newline=True
    )
    found = Stored(stored)
    known = ("table", "cell", "runs", "points", "ledger", "value", "epochs")
    texts.globals.update({name: getattr(found, name) for name in known})
    try:
        return texts.get_template(TEXT).render()
    except TemplateError as error:
        raise DmadError(f"{stored / TEXT}: {error}") from error


class Stored:
    """What a folder of results holds.

    Args:
        folder: Of `.json` files as the experiments write them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read = cache(self._read)

    def table(self, name: str) -> str:
        """A table as Markdown, with its notes and on what it was run."""
        found = self.read(name)
        lines = markdown_lines(found["names"], found["lines"])
        told = [f"*{found['machine']}*"] if found.get("machine") else []
        return "\n\n".join([lines, *found.get("notes", ()), *told])

    def cell(self, name: str, line: str, column: str) -> str:
        """One figure, of the line that begins with the cells named, as "bottle, 12, paper"."""
        return str(self._line(name, line)[self._column(name, column)])

    def _line(self, name: str, line: str) -> list[str]:
        found = self.read(name)["lines"]
        meant = [cells for cells in found if f"{', '.join(cells)}, ".startswith(f"{line}, ")]
        require(len(meant) == 1, f"{name} has {len(meant)} lines {line!r}, among {found}")
        only: list[str] = meant[0]
        return only

    def _column(self, name: str, column: str) -> int:
        names: list[str] = self.read(name)["names"]
        require(column in names, f"{name} has no column {column!r}: {names}")
        return names.index(column)

    def runs(self, name: str, variant: str) -> str:
        """The figures of one variant of a grid as Markdown, a line a seed."""
        found = self._runs(name, variant)
        names = ["seed", "min", *found[0]["figures"]]
        rows = [
            [f"{one['seed']}", f"{one['minutes']:.1f}",
             *map(figure, numbers(one["figures"]).values())]
            for one in found
        ]  # fmt: skip
        return markdown_lines(names, rows)

    def points(self, name: str, variant: str, beside: str, figure: str) -> str:
        """Hundredths of a figure that one variant has more than another, as "-2.1"."""
        ours, theirs = (
            {one["seed"]: one["figures"][figure] for one in self._runs(name, which)}
            for which in (variant, beside)
        )
        shared = sorted(set(ours) & set(theirs))
        require(bool(shared), f"{name}: {variant!r} and {beside!r} have no seed in common")
        return f"{100 * fmean(ours[seed] - theirs[seed] for seed in shared):+.1f}"

    def _runs(self, name: str, variant: str) -> list[dict[str, Any]]:
        found = [one for one in self.read(name)["outcomes"] if one["variant"] == variant]
        require(bool(found), f"{name} has no run of {variant!r}")
        return found

    def ledger(self, name: str, block: str, metrics: Sequence[str] = ()) -> str:
        """A block of a ledger as Markdown, of some metrics where they are named."""
        rows = [row for row in self._block(name, block) if row.metric in (metrics or [row.metric])]
        require(bool(rows), f"{name} has no block {block!r} with such figures")
        (only,) = blocks(rows)
        notes = "; ".join(dict.fromkeys(row.note for row in rows if row.note))
        table = markdown_lines(only.columns, only.rows)
        return f"{table}\n\n{notes}." if notes else table

    def value(self, name: str, block: str, signal: str) -> str:
        """One micro AUROC of a ledger."""
        rows = [row for row in self._block(name, block) if row.metric == "micro_AUROC"]
        found = {row.signal: row.value for row in rows}
        require(signal in found, f"{name} has no {signal!r} in block {block!r}: {[*found]}")
        return figure(found[signal])

    def _block(self, name: str, block: str) -> list[Row]:
        found = self.read(name)
        found = found.get("ledger", found)
        return [Row(**row) for row in found["rows"] if row["block"] == block]

    def epochs(self, name: str, curves: Sequence[str]) -> str:
        """Curves of a training as Markdown, a line an epoch."""
        rows = [
            [f"{epoch['epoch']:.0f}", *(figure(epoch[curve]) for curve in curves)]
            for epoch in self.read(name)["history"]
        ]
        return markdown_lines(["epoch", *curves], rows)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / f"{name}.json"
        require(
            path.exists(), f"{path} does not exist; run the experiment and copy its .json there"
        )
        found: dict[str, Any] = json.loads(path.read_text())
        return found
