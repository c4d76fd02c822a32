"""Tables of experiments, on screen and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dmad.evaluation.show import markdown_lines
from dmad.runs import write_whole


def write_table(
    title: str, names: Sequence[str], lines: Sequence[Sequence[str]], path: Path
) -> None:
    """Print a table, and write it as Markdown."""
    table = Table(*names, title=title, title_justify="left")
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    write_whole(path, markdown_lines(names, lines) + "\n")
