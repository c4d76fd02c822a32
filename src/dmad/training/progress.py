"""The progress of a training: a bar in a terminal, a line for each epoch, and the time left."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dmad.console import bars_are_shown, error_console

logger = logging.getLogger(__name__)


class StepBar(Callback):
    """Shows a bar for the whole training. Without a terminal, it logs the estimated time once.

    Args:
        epochs: Passes over the data.
        steps: Batches in an epoch.
        estimate_after: Seconds of training after which the time is estimated.
    """

    def __init__(self, epochs: int, steps: int, estimate_after: float = 30.0) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=error_console(),
            transient=True,
            disable=not bars_are_shown(),
        )
        self.total = epochs * steps
        self.estimate_after = estimate_after
        self.has_estimated = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Show the bar. A resumed training starts at the step that it had reached."""
        if trainer.is_global_zero:
            self.task = self.bar.add_task("training", total=self.total)
            self.first_step = trainer.global_step
            self.bar.update(self.task, completed=self.first_step)
            self.bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Move the bar by one step. Without a terminal, log the estimated time once."""
        if not trainer.is_global_zero:
            return
        self.bar.update(self.task, completed=trainer.global_step)
        elapsed = self.bar.tasks[self.task].elapsed or 0.0
        if self.bar.disable and not self.has_estimated and elapsed > self.estimate_after:
            self.has_estimated = True
            logger.info(f"training: {self.total} steps, {self.time_left()}")

    def time_left(self) -> str:
        """Return an estimate of the time left as text.

        It comes from the steps of this process. If a training is resumed, earlier steps do not
        count.
        """
        task = self.bar.tasks[self.task]
        seconds_per_step = (task.elapsed or 0.0) / max(1, task.completed - self.first_step)
        seconds = round(seconds_per_step * (self.total - task.completed))
        return f"about {timedelta(seconds=seconds)} left"

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Remove the bar."""
        self.bar.stop()

    def on_exception(self, *_: Any) -> None:
        """Remove the bar before the error is shown."""
        self.bar.stop()


class EpochLine:
    """Logs the losses of an epoch and the use of the memory items in one line."""

    def __init__(self, epochs: int, bar: StepBar) -> None:
        self.epochs, self.bar = epochs, bar

    def __call__(self, figures: dict[str, float]) -> None:
        """Log the results of an epoch. `figures["epoch"]` is its number, counted from 1."""
        parts = [f"epoch {figures['epoch']:.0f}/{self.epochs}", f"loss {figures['total']:.4f}"]
        parts.append(f"reconstruction {figures['reconstruction']:.4f}")
        if "perplexity" in figures:
            used, effective = figures["items_used"], figures["perplexity"]
            parts.append(f"memory {used:.0f} items used, perplexity {effective:.1f}")
        if self.bar.bar.disable and figures["epoch"] < self.epochs:
            parts.append(self.bar.time_left())
        logger.info("  ".join(parts))
