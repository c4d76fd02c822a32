"""What a person sees in a terminal: messages, progress bars and tables.

The package itself only logs. The command line calls `set_up_logging`, which shows those messages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Literal, TypeVar

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

T = TypeVar("T")

FIRST_NOTES = 10  # messages of one kind that are shown one by one

PACKAGE = logging.getLogger("dmad")


class ConsoleHandler(logging.Handler):
    """Shows warnings as `note: …` and other messages as they are, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message to standard error, above a progress bar if there is one."""
        prefix = "note: " if record.levelno >= logging.WARNING else ""
        error_console().out(prefix + self.format(record), highlight=False)


@cache
def error_console() -> Console:
    """The console on standard error. Bars and messages share it, so that they do not mix."""
    return Console(stderr=True, force_interactive=True)  # `bars_are_shown` decides on bars


def set_up_logging() -> None:
    """Show the messages of this package on standard error. Only the command line calls this."""
    if not any(isinstance(handler, ConsoleHandler) for handler in PACKAGE.handlers):
        PACKAGE.addHandler(ConsoleHandler())
    PACKAGE.setLevel(logging.INFO)


def warn_about(notes: Sequence[str], logger: logging.Logger) -> None:
    """Log notes as warnings: the first ten, and the number of the others."""
    for note in notes[:FIRST_NOTES]:
        logger.warning(note)
    if len(notes) > FIRST_NOTES:
        logger.warning(f"and {len(notes) - FIRST_NOTES} more such lines")


@contextmanager
def only_errors_of(package: str) -> Iterator[None]:
    """Hide messages of another package that are no errors, inside a `with` block."""
    other = logging.getLogger(package)
    level = other.level
    other.setLevel(logging.ERROR)
    try:
        yield
    finally:
        other.setLevel(level)


def bars_are_shown() -> bool:
    """True if standard error is a terminal that can redraw, and progress messages are shown."""
    console = error_console()
    can_redraw = console.is_terminal and not console.is_dumb_terminal
    return can_redraw and PACKAGE.isEnabledFor(logging.INFO)


def progress_bar(items: Iterable[T], title: str, total: float | None = None) -> Iterable[T]:
    """Yield the items one by one, with a progress bar in a terminal.

    Args:
        items: The work to do.
        title: The text before the bar.
        total: The number of items, if `items` has no length.
    """
    hidden = not bars_are_shown()
    return track(items, title, total, console=error_console(), transient=True, disable=hidden)


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> None:
    """Print a table to standard output, and notes below it.

    The first column names the rows and is aligned left. No cell is cut off: a table that is wider
    than the terminal is printed in full.
    """
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE)
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
        console.print(note, highlight=False, markup=False)
