"""What a training shows on standard error: a line an epoch, the time left, on terminals a bar."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dmad.console import bars_are_shown, error_console

logger = logging.getLogger(__name__)

SETTLED = 30.0  # seconds of training before what is left of it is first told


class StepBar(Callback):
    """One bar for the whole training; where there is no terminal, one line on how long it takes.

    Args:
        epochs: Passes over the data.
        steps: Batches an epoch.
    """

    def __init__(self, epochs: int, steps: int) -> None:
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
        self.told = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Show the bar, at the step reached before."""
        if trainer.is_global_zero:
            self.task = self.bar.add_task("training", total=self.total)
            self.first = trainer.global_step
            self.bar.update(self.task, completed=self.first)
            self.bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """One step on."""
        if trainer.is_global_zero:
            self.bar.update(self.task, completed=trainer.global_step)
            elapsed = self.bar.tasks[self.task].elapsed or 0.0
            if self.bar.disable and not self.told and elapsed > SETTLED:
                self.told = True
                logger.info(f"training: {self.total} steps, {self.left()}")

    def left(self) -> str:
        """The time that the steps to come will take, going by those done."""
        task = self.bar.tasks[self.task]
        pace = (task.elapsed or 0.0) / max(1, task.completed - self.first)
        return f"about {timedelta(seconds=round(pace * (self.total - task.completed)))} left"

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_exception(self, *_: Any) -> None:
        """Take the bar away before the error is shown."""
        self.bar.stop()


class EpochLine:
    """Logs the figures of an epoch."""

    def __init__(self, epochs: int, bar: StepBar) -> None:
        self.epochs, self.bar = epochs, bar

    def __call__(self, figures: dict[str, float]) -> None:
        """Figures as logged, with `epoch` counted from 1."""
        parts = [f"epoch {figures['epoch']:.0f}/{self.epochs}", f"loss {figures['total']:.4f}"]
        parts.append(f"reconstruction {figures['reconstruction']:.4f}")
        if "perplexity" in figures:
            used, effective = figures["items_used"], figures["perplexity"]
            parts.append(f"memory {used:.0f} items used, perplexity {effective:.1f}")
        if self.bar.bar.disable and figures["epoch"] < self.epochs:
            parts.append(self.bar.left())
        logger.info("  ".join(parts))
