"""The table that ledgers, experiments and reports use, and its Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmad.errors import require


@dataclass(frozen=True)
class Table:
    """A table of text.

    Raises:
        DmadError: A row has more or fewer cells than there are columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]  # one cell per column; the first cell is the name of the row
    notes: Sequence[str] = ()  # how to read the table

    def __post_init__(self) -> None:
        width = len(self.columns)
        other = sorted({len(row) for row in self.rows} - {width})
        require(not other, f"table {self.title} has {width} columns but rows of {other} cells")

    def transposed(self) -> Table:
        """Return the table with rows and columns exchanged."""
        columns, *rows = zip(self.columns, *self.rows, strict=True)
        return Table(self.title, columns, rows, self.notes)

    def markdown(self) -> str:
        """Return the table as Markdown, followed by its notes."""
        return "\n\n".join([markdown_rows(self.columns, self.rows), *self.notes])

    def markdown_section(self) -> str:
        """Return the title as a Markdown heading, then the notes, then the table."""
        rows = markdown_rows(self.columns, self.rows)
        return "\n\n".join([f"## {self.title}", *self.notes, rows])


def markdown_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns and rows as Markdown. The first column is aligned left, the others right."""
    alignment = ["---"] + ["--:"] * (len(columns) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, alignment, *rows))
