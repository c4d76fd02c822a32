"""Shows how far a scan is: sources, frames, frames per second and the time that is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, Progress, TextColumn

from dmad.console import bars_are_shown, error_console
from dmad.scan.plan import Task, Unfinished

logger = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two messages, if there is no progress bar
DONE = 1e-6  # sources; the sum of shares of stretches is not exact


class ScanProgress:
    """Shows how much is done: as a bar in a terminal, or else as a message each minute.

    The number of frames that are left is an estimate. For each kind of source, such as .mp4, dmad
    assumes the same number of frames per byte as in the sources that were judged so far.

    Args:
        left: How much is left to judge.
    """

    def __init__(self, left: Unfinished) -> None:
        self.sources = left.sources
        self.done = left.done  # sources; a stretch counts for its share
        self.frames = 0
        self._left = dict(left.sizes)  # by kind
        self._judged = dict.fromkeys(left.sizes, 0.0)
        self._frames = dict.fromkeys(left.sizes, 0)
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

    def add(self, task: Task, frames: int) -> None:
        """Add a finished task to the progress. `frames` is the number of its frames or images."""
        self.done += task.share
        self.frames += frames
        self._left[task.kind] -= task.size
        self._judged[task.kind] += task.size
        self._frames[task.kind] += frames
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=self.text(), completed=self.share)
        elif now - self._last >= EVERY:
            self._last = now
            logger.info(self.text())

    @property
    def share(self) -> float:
        """The finished share of all frames, 0 to 1. The number of frames left is estimated."""
        if self.done >= self.sources - DONE:
            return 1.0
        if not self.frames:
            return self.done / self.sources
        left = sum(max(0.0, size) * self._density(kind) for kind, size in self._left.items())
        return self.frames / (self.frames + left)

    def _density(self, kind: str) -> float:
        """Return the average number of frames per byte for a kind of source.

        For images, return the average number of frames (pages) per file.

        If no source of this kind was judged yet, return the average of all kinds.
        """
        kinds = [kind] if self._judged[kind] else [*self._judged]
        return sum(self._frames[one] for one in kinds) / sum(self._judged[one] for one in kinds)

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
        sources = f"{int(self.done + DONE)} of {self.sources} sources"
        return f"{sources}, {self.frames} frames, {self.rate:.1f} per second{left}"
