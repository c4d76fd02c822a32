"""Tables of experiments: on screen, as Markdown, and as JSON for the page of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

from rich import box
from rich import table as rich
from rich.console import Console

from dmad.evaluation.tables import markdown_lines
from dmad.files import write_whole
from dmad.hardware import describe, usual_device


def strict(value: Any) -> Any:
    """The same with None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value


@dataclass(frozen=True)
class Table:
    """What an experiment found."""

    title: str
    names: Sequence[str]  # of the columns; the first one names the lines
    lines: Sequence[Sequence[str]]
    notes: Sequence[str] = ()  # to be read with it

    def write(self, path: Path, **more: Any) -> None:
        """`path.md`, and `path.json` with the machine and whatever else is given."""
        found = strict({**vars(self), "machine": describe(usual_device()), **more})
        write_whole(
            path.with_name(f"{path.name}.json"), json.dumps(found, indent=1, ensure_ascii=False)
        )
        write_whole(path.with_name(f"{path.name}.md"), self.markdown() + "\n")

    def markdown(self) -> str:
        """As Markdown, the notes below."""
        return "\n\n".join([markdown_lines(self.names, self.lines), *self.notes])

    def show(self) -> None:
        """On screen: what all lines share stands above, so that the rest is narrow."""
        columns = list(zip(self.names, *self.lines, strict=True))
        alike = [column for column in columns[1:] if len({*column[1:]}) == 1 and column[1]]
        shared = alike if self.lines[1:] else []
        kept = [column for column in columns if column not in shared]
        words = ", ".join(f"{name} {cell}" for name, cell, *_ in shared)
        shown = rich.Table(title=f"{self.title}: {words}" if words else self.title, box=box.SIMPLE)
        for name, *cells in kept:
            longest = max(len(word) for cell in (name, *cells) for word in (*cell.split(), ""))
            shown.add_column(name, justify="right" if shown.columns else "left", min_width=longest)
        for line in zip(*(column[1:] for column in kept), strict=True):
            shown.add_row(*line)
        narrowest = Console().measure(shown).minimum
        Console(width=max(Console().width, narrowest)).print(shown)  # nothing is cut off
        for note in self.notes:
            Console().print(note, highlight=False)
