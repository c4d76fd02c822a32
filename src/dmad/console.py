"""A bar with the time left for long work, on standard error, where somebody looks at it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def tracked(items: Iterable[T], title: str, total: float | None = None) -> Iterable[T]:
    """The same items one by one, with a bar that goes away at the end.

    Args:
        items: What is worked on.
        title: What is done, before the bar.
        total: How many there are, where they do not say.
    """
    console = Console(stderr=True)
    quiet = not console.is_terminal
    return track(items, title, total, console=console, transient=True, disable=quiet)


TOLD = 10  # lines about damaged data


def tell(notes: Sequence[str]) -> None:
    """What was left out or mended, on standard error; the first few of many."""
    for note in notes[:TOLD]:
        print(f"note: {note}", file=sys.stderr)
    if len(notes) > TOLD:
        print(f"note: and {len(notes) - TOLD} more such lines", file=sys.stderr)
