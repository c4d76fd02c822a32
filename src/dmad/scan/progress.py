"""Shows how far a scan is: sources, frames, frames per second and the time that is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, Progress, TextColumn

from dmad.console import bars_are_shown, error_console

logger = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two messages, if there is no progress bar


class ScanProgress:
    """Counts what is done, and shows it as a bar in a terminal, or else as a message each minute.

    Args:
        sources: Number of sources to judge.
        size: Their size in bytes.
    """

    def __init__(self, sources: int, size: int) -> None:
        self.sources, self.size = sources, size
        self.done = 0.0  # sources; a stretch counts for its share
        self.frames = 0
        self._bytes = 0.0
        self._start = self._last = time.monotonic()
        self._bar: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress in a `with` statement."""
        if not bars_are_shown():
            yield
            return
        columns = [BarColumn(), TextColumn("{task.description}")]
        with Progress(*columns, console=error_console(), transient=True) as bar:
            bar.add_task(self.text(), total=1.0)
            self._bar = bar
            yield
        self._bar = None

    def add(self, sources: float, size: float, frames: int) -> None:
        """Add what a task has judged."""
        self.done += sources
        self._bytes += size
        self.frames += frames
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=self.text(), completed=self.share)
        elif now - self._last >= EVERY:
            self._last = now
            logger.info(self.text())

    @property
    def share(self) -> float:
        """The part that is done, 0 to 1, by bytes."""
        if self.size:
            return min(1.0, self._bytes / self.size)
        return min(1.0, self.done / self.sources) if self.sources else 1.0

    @property
    def rate(self) -> float:
        """Frames or images per second since the start."""
        return self.frames / max(time.monotonic() - self._start, 1e-6)

    def text(self) -> str:
        """Return sources, frames, frames per second and the time that is left, in one line."""
        seconds = time.monotonic() - self._start
        left = ""
        if 0 < self.share < 1:
            missing = timedelta(seconds=round(seconds * (1 - self.share) / self.share))
            left = f", {missing} left"
        sources = f"{int(self.done + 1e-6)} of {self.sources} sources"
        return f"{sources}, {self.frames} frames, {self.rate:.1f} per second{left}"
