"""Output in a terminal: messages, progress bars and tables.

The library writes messages only to `logging`. The command line calls `set_up_logging` to show them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Literal, TypeVar

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

T = TypeVar("T")

FIRST_NOTES = 10  # messages of one kind that are shown; the others are counted

PACKAGE = logging.getLogger("dmad")


class ConsoleHandler(logging.Handler):
    """Shows each message in one line. Warnings begin with `note: `."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message to standard error, above a progress bar if there is one.

        A message is lost if it cannot be written, for example because the disk is full.
        """
        prefix = "note: " if record.levelno >= logging.WARNING else ""
        with suppress(OSError):
            error_console().out(prefix + printable(self.format(record)), highlight=False)


def printable(text: str) -> str:
    """Return a text in which control characters, except line breaks, are escaped, as in `\\x1b`.

    The name of a file may contain control characters, which would change the terminal.
    """
    return "".join(
        char if char.isprintable() or char == "\n" or "\ud800" <= char <= "\udfff" else _code(char)
        for char in text
    )


def _code(char: str) -> str:
    return char.encode("unicode_escape").decode()


@cache
def error_console() -> Console:
    """Return the console on standard error. Bars and messages share it, so they do not mix."""
    return Console(stderr=True, force_interactive=True)  # `bars_are_shown` decides on bars


def set_up_logging() -> None:
    """Show the messages of this package on standard error. Only the command line calls this."""
    if not any(isinstance(handler, ConsoleHandler) for handler in PACKAGE.handlers):
        PACKAGE.addHandler(ConsoleHandler())
    PACKAGE.setLevel(logging.INFO)


def warn_about(notes: Sequence[str], logger: logging.Logger) -> None:
    """Log the first ten notes as warnings, and in one more warning the number of the others."""
    for note in notes[:FIRST_NOTES]:
        logger.warning(note)
    if len(notes) > FIRST_NOTES:
        logger.warning(f"and {len(notes) - FIRST_NOTES} more such lines")


@contextmanager
def only_errors_of(package: str) -> Iterator[None]:
    """In a `with` block, show only the errors of another package, not its other messages."""
    other = logging.getLogger(package)
    level = other.level
    other.setLevel(logging.ERROR)
    try:
        yield
    finally:
        other.setLevel(level)


def bars_are_shown() -> bool:
    """Return True if standard error is a terminal with cursor control, and INFO is logged."""
    console = error_console()
    can_redraw = console.is_terminal and not console.is_dumb_terminal
    return can_redraw and PACKAGE.isEnabledFor(logging.INFO)


def progress_bar(items: Iterable[T], title: str, total: float | None = None) -> Iterable[T]:
    """Yield the items one by one, with a progress bar in a terminal.

    Args:
        items: What to iterate over.
        title: The text before the bar.
        total: The number of items, if `items` has no length.
    """
    hidden = not bars_are_shown()
    return track(
        items, printable(title), total, console=error_console(), transient=True, disable=hidden
    )


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> None:
    """Print a table to standard output, and notes below it.

    The first column holds the names of the rows and is aligned left. A table may be wider than the
    terminal; no cell is cut off.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    table = Table(title=escape(printable(title)), title_justify="left", box=box.SIMPLE)
    for number, name in enumerate(columns):
        cells = [name, *(row[number] for row in rows)]
        longest_word = max(len(word) for cell in cells for word in [*cell.split(), ""])
        alignment: Literal["left", "right"] = "right" if number else "left"
        table.add_column(escape(name), justify=alignment, min_width=longest_word)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    needed = Console(width=10_000).measure(table).minimum
    console.width = max(console.width, needed)
    console.print(table)
    for note in notes:
        console.print(printable(note), highlight=False, markup=False)
